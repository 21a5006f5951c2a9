"""Data: from a path to examples, vocabularies, features and batches."""
