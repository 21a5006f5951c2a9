"""Translate: a text in one language in, its translation out. Many-to-many, unaligned."""
