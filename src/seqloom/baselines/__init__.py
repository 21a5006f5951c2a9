"""Baselines: trivial predictors, which know no task."""
