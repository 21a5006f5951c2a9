"""Kernels that run a recurrence over a sequence: the reference, torch's, the compiled, and the selection."""
