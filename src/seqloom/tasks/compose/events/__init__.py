"""Tunes as events: the tokens of MIDI files, a language model over them, and their grammar."""
