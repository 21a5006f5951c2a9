"""Tag: a label for every token. Many-to-many, aligned."""
