"""Baselines: trivial predictors, as functions of arrays and texts. They know no task."""
