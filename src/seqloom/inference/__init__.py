"""Inference: a trained model in use, to predict, generate, stream and evaluate."""
