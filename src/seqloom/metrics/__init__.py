"""Metrics: functions of arrays, which know no task."""
