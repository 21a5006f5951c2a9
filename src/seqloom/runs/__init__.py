"""A run folder, read and written: configuration, weights, model card."""
