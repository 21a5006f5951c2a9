"""A model measured on a split, beside its baseline, with a bootstrap interval."""
