"""Looking inside a trained model, and telling others what is there."""
