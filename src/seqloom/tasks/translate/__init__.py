"""Translate: a text in one language in, the same in another out. Many-to-many."""
