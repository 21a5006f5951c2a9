"""A trained model in use: predictions, generation, evaluation."""
