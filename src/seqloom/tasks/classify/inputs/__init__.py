"""What a classifier reads: text, audio or series."""
