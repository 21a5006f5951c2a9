"""Verbs that look into models: one a file."""
