"""What is checked: the model, its data, and a few rows of all lengths, which can be taken apart."""
