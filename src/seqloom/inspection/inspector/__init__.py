"""`seqloom inspect`: what each step of an input depends on, and what units do meanwhile."""

from seqloom.inspection.inspector.inspect import Inspection, inspect

__all__ = ["Inspection", "inspect"]
