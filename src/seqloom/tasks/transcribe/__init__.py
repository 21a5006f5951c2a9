"""Transcribe: speech in, its text out. Many-to-many, unaligned."""
