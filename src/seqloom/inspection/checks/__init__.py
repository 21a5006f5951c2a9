"""Checks of a trained model on its data: whether its score can be trusted. One file a small group of them."""
