"""From a path to examples, vocabularies and batches."""
