"""Evaluation: measure a model on a split, and report it beside its baseline with a bootstrap interval."""
