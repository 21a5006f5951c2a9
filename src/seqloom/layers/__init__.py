"""Layers: recurrent ones over whole sequences, attention, pooling, CRF and cross-entropy."""
