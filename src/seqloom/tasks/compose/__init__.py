"""Compose: a primer or nothing in, a tune out. One-to-many."""
