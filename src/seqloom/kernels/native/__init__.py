"""The compiled kernels of csrc/: the library, its C interface, and its operators for torch."""
