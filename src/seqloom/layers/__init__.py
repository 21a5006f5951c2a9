"""Layers: recurrences over whole sequences, and what stands beside them."""
