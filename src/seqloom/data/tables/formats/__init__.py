"""Formats of rows, one a file: delimited lines, JSON, CoNLL columns, parallel texts, speech corpora."""
