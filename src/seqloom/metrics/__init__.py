"""Metrics: functions of arrays and texts. They know no task."""
