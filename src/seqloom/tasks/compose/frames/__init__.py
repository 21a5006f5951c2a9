"""Tunes as frames: the keys of a piano roll, step by step."""
