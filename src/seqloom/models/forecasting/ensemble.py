"""Models of other initial weights, side by side (Lakshminarayanan et al. 2017, arXiv:1612.01474)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.models.forecasting.forecaster import Forecaster, History
from seqloom.models.forecasting.outputs import OutputLayer


@final
class ForecastEnsemble(nn.Module):
    """One or several forecasters, trained together, each on its own loss.

    Args:
        build: makes an untrained forecaster.
        size: how many.
    """

    def __init__(self, build: Callable[[], Forecaster], size: int = 1) -> None:
        super().__init__()
        check_size("ForecastEnsemble", "size", size)
        self.members = nn.ModuleList(build() for _ in range(size))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.first.device

    @property
    def first(self) -> Forecaster:
        """One of the forecasters; all are built alike."""
        return self.members[0]  # type: ignore[return-value]

    @property
    def horizon(self) -> int:
        """h, steps that a forecast has."""
        return self.first.horizon

    @property
    def output(self) -> OutputLayer:
        """What a forecast of one step is."""
        return self.first.output

    def forward(
        self, history: History, context: int | None = None, forks: int = 1, stride: int = 1
    ) -> Tensor:
        """The parameters of every member's forecasts (E, B, F, h, K); see `Forecaster.forward`."""
        return torch.stack([member(history, context, forks, stride) for member in self.members])
