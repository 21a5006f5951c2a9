"""The loop, its checkpoints, its hooks and its run folder. Knows the task contract and no named task."""
