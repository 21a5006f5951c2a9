"""Look inside a trained model, on its own data."""
