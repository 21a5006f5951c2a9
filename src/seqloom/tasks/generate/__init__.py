"""Generate text: a prompt in, its continuation out. One-to-many."""
