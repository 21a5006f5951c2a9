"""Decoding of connectionist temporal classification: greedy, and prefix beam search."""
