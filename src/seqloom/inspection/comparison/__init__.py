"""Cells and directions compared on one's own data: equal sizes, several seeds, one table."""

from seqloom.inspection.comparison.compare import compare
from seqloom.inspection.comparison.comparison import Comparison

__all__ = ["Comparison", "compare"]
