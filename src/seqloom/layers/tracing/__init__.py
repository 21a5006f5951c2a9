"""Every value of the recurrent layers of a module by a stable dotted name: recorded, or clamped.

Names are those of `docs/inspect.md`: `layers.0.forget`, `layers.1.reverse.update`, `encoder.layers.0.hidden`.
"""

from seqloom.layers.tracing.clamping import clamp
from seqloom.layers.tracing.names import Place, match_names, places, value_names
from seqloom.layers.tracing.recording import Call, Recording, record, value_of

__all__ = [
    "Call",
    "Place",
    "Recording",
    "clamp",
    "match_names",
    "places",
    "record",
    "value_names",
    "value_of",
]
