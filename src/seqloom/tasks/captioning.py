"""The capability of a task that writes about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy


@runtime_checkable
class Captioning(Protocol):
    """The capability of a task whose model writes captions.

    Its answers have the details `caption`, `tokens` and, by the option `attention`, `attention`, a row of
    weights for each token, and `places`, the height and width of the map that they are of.
    """

    def view(self, preparation: Any, path: Path) -> numpy.ndarray:
        """The part of a picture that the model reads, (H, W, 3) uint8.

        Raises:
            DataError: it cannot be used.
        """
        ...
