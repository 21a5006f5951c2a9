"""Training: the loop, validation, checkpoints and callbacks. Knows the task contract and no named task."""
