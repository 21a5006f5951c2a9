"""Data that every machine can make: a small made-up set for each task, in the task's own format."""
