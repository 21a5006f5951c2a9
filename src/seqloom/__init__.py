"""seqloom: from sequences to a trained, understood, deployable recurrent model.

Names are imported when they are first used, so that `import seqloom` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqloom.decoding.options import DecodingOptions
    from seqloom.errors import ConfigError, DataError, RunError, SeqloomError
    from seqloom.inference.predictor import Predictor, load
    from seqloom.inspection.checks.checking import check
    from seqloom.inspection.comparison import compare
    from seqloom.inspection.diagnosis import diagnose
    from seqloom.inspection.inspector import inspect
    from seqloom.inspection.training import train
    from seqloom.layers.convert import convert_recurrent
    from seqloom.layers.recurrent import GRU, LSTM, RNN
    from seqloom.tasks.toy_data import toy_data

__version__ = "0.1.0"

_HOMES = {
    "RNN": "seqloom.layers.recurrent",
    "LSTM": "seqloom.layers.recurrent",
    "GRU": "seqloom.layers.recurrent",
    "convert_recurrent": "seqloom.layers.convert",
    "DecodingOptions": "seqloom.decoding.options",
    "Predictor": "seqloom.inference.predictor",
    "load": "seqloom.inference.predictor",
    "train": "seqloom.inspection.training",
    "check": "seqloom.inspection.checks.checking",
    "compare": "seqloom.inspection.comparison",
    "diagnose": "seqloom.inspection.diagnosis",
    "inspect": "seqloom.inspection.inspector",
    "toy_data": "seqloom.tasks.toy_data",
    "SeqloomError": "seqloom.errors",
    "DataError": "seqloom.errors",
    "ConfigError": "seqloom.errors",
    "RunError": "seqloom.errors",
}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ConfigError",
    "DataError",
    "DecodingOptions",
    "Predictor",
    "RunError",
    "SeqloomError",
    "__version__",
    "check",
    "compare",
    "convert_recurrent",
    "diagnose",
    "inspect",
    "load",
    "toy_data",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqloom' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
