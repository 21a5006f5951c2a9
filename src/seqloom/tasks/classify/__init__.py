"""Classify: a sequence in, its label out. Many-to-one."""
