"""Networks that turn a picture into a map of features: pretrained ones, and a small one from scratch."""
