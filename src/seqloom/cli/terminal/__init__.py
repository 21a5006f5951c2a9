"""What verbs share: options, the quick start of torch, pipes, answers and reports."""
