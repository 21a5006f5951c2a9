r"""Many-to-many: recurrent layers read a series, and every step forecasts the h steps after it.

.. math::

    h_t &= \mathrm{recurrence}(x_1 \dots x_t) \\
    (a, r)_{t,k} &= W_k h_t + U \tanh(C_k h_t + D f_{t+k}) \\
    m_{t,k} &= \sum_j \mathrm{softmax}(a_{t,k})_j \, y_{t+k-l_j \lceil k/l_j \rceil}
        + \sum_i A_{k,i} (y_{t-i} - y_t)

x_t: the value, whether it was observed, its lags, covariates; f: covariates that are known ahead. From the
anchor m and the raw numbers r an output layer makes the forecast of step t + k. In training all of the last
steps forecast (forking sequences: MQ-RNN, Wen et al. 2017, arXiv:1711.11053), so that one pass has many
targets. The lag mix makes a new model the seasonal naive forecast; A is the linear part of LSTNet (Lai et
al. 2018, arXiv:1703.07015), from nothing. With h = 1 the model is that of DeepAR (Salinas et al. 2020,
arXiv:1704.04110), which goes on from its own draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError
from seqloom.models.forecasting.lag_mix import HEAD_START, gather_steps, lag_offsets, mix_lags
from seqloom.models.forecasting.outputs import OutputLayer
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.state import State

FUTURE_SIZE = 32
"""Hidden units of a step of the horizon, which join h_t and what is known of that step."""


class Covariates(NamedTuple):
    """What is known beside a series; every one may have no columns.

    Fields:
        historic: (B, S, C), known up to the last step.
        future: (B, S + h, C), known ahead, such as the hour of the day.
        static: (B, C), of a series as a whole.
    """

    historic: Tensor
    future: Tensor
    static: Tensor


class History(NamedTuple):
    """Series as a model reads them, scaled.

    Fields:
        values: (B, S), padded at the end with anything; in a gap what it was filled with.
        observed: (B, S) bool, false in gaps.
        lengths: (B,) int64, the steps of each row, at least 1.
        covariates: beside the values.
    """

    values: Tensor
    observed: Tensor
    lengths: Tensor
    covariates: Covariates

    def to(self, dtype: torch.dtype) -> History:
        """With numbers of another type."""
        covariates = Covariates(*(columns.to(dtype) for columns in self.covariates))
        return self._replace(values=self.values.to(dtype), covariates=covariates)


class CovariateSizes(NamedTuple):
    """Columns of each kind of covariate."""

    historic: int = 0
    future: int = 0
    static: int = 0


NO_COVARIATES = CovariateSizes()


@final
class Forecaster(nn.Module):
    """Forecast series from their past.

    Args:
        horizon: h, steps that each step forecasts.
        lags: of the mix, such as 24 and 168 for hours; the first is what a new model forecasts. Lag 1 is
            always among them.
        output: what a forecast of one step is.
        recurrent: the recurrent layers, of one direction.
        covariates: how many there are.
        linear_steps: n, steps that the linear part reads; 0: there is none.

    Raises:
        ConfigError: an argument out of its range.

    >>> output = OutputLayer("quantile", (0.1, 0.5, 0.9))
    >>> model = Forecaster(3, [4], output, RecurrentConfig("gru", 8)).eval()
    >>> values = torch.tensor([[1.0, 5.0, 7.0, 2.0, 1.1, 5.1, 7.1, 2.1]])
    >>> nothing = Covariates(torch.zeros(1, 8, 0), torch.zeros(1, 11, 0), torch.zeros(1, 0))
    >>> parameters = model(History(values, values > 0, torch.tensor([8]), nothing))
    >>> parameters.shape  # rows, forks, horizon, quantiles
    torch.Size([1, 1, 3, 3])
    >>> parameters[0, 0, :, 1].round(decimals=1)
    tensor([1.1000, 5.0000, 7.0000], grad_fn=<RoundBackward1>)
    """

    offsets: Tensor
    periods: Tensor

    def __init__(
        self,
        horizon: int,
        lags: Sequence[int],
        output: OutputLayer,
        recurrent: RecurrentConfig,
        covariates: CovariateSizes = NO_COVARIATES,
        linear_steps: int = 0,
    ) -> None:
        super().__init__()
        for name, size in {"horizon": horizon, **{f"lags[{i}]": lag for i, lag in enumerate(lags)}}.items():
            check_size("Forecaster", name, size)
        if recurrent.bidirectional:
            raise ConfigError("Forecaster", "bidirectional must be False: a forecast has no future", got=True)
        output.check()
        self.horizon, self.output, self.linear_steps = horizon, output, linear_steps
        self.lags = tuple(dict.fromkeys([*lags, 1]))
        self.register_buffer("offsets", lag_offsets(self.lags, horizon), persistent=False)
        self.register_buffer("periods", torch.tensor(self.lags), persistent=False)
        width = len(self.lags) + 1 + sum(covariates)
        self.layers = RecurrentStack(width, recurrent)
        size = len(self.lags) + output.size
        self.head = nn.Linear(self.layers.output_size, horizon * size)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.view(horizon, size).zero_()[:, 0] = HEAD_START
        self.context = self.ahead = self.join = self.linear = None
        if covariates.future:
            self.context = nn.Linear(self.layers.output_size, horizon * FUTURE_SIZE)
            self.ahead = nn.Linear(covariates.future, FUTURE_SIZE, bias=False)
            self.join = nn.Linear(FUTURE_SIZE, size, bias=False)
            nn.init.zeros_(self.join.weight)
        if linear_steps:
            self.linear = nn.Parameter(torch.zeros(horizon, linear_steps))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.head.weight.device

    def forward(
        self, history: History, context: int | None = None, forks: int = 1, stride: int = 1
    ) -> Tensor:
        """The parameters of the forecasts from the last steps of each row.

        Args:
            history: the series.
            context: steps that are read before the first forecast; None: all. Lags may lie before them.
            forks: F, how many of the last steps forecast. Those before the start of a row forecast too, but
                nothing that means anything.
            stride: steps from one of these to the next.

        Returns:
            (B, F, h, K) parameters, as the output layer takes them.
        """
        history = history.to(self.head.weight.dtype)
        steps = None if context is None else context + (forks - 1) * stride
        hidden, first, _ = self.encode(history, steps)
        ahead = torch.arange(forks - 1, -1, -1, device=self.device)
        forking = history.lengths.unsqueeze(1) - 1 - stride * ahead
        rows = torch.arange(len(forking), device=self.device).unsqueeze(1)
        h = hidden[(forking - first.unsqueeze(1)).clamp(min=0), rows]
        return self.parameters_at(h, history, forking)

    def encode(self, history: History, steps: int | None = None) -> tuple[Tensor, Tensor, State]:
        """Read the last steps of each row, or all.

        Returns:
            The outputs of the recurrent layers (T, B, H), the first step that each row reads (B,), the state.
        """
        steps = history.values.shape[1] if steps is None else steps
        first = (history.lengths - steps).clamp(min=0)
        lengths = history.lengths - first
        positions = first.unsqueeze(1) + torch.arange(int(lengths.max()), device=self.device)
        positions = positions.clamp(max=history.values.shape[1] - 1)
        hidden, state = self.layers(self.features(history, positions).transpose(0, 1), lengths=lengths)
        return hidden, first, state

    def features(self, history: History, positions: Tensor) -> Tensor:
        """What the layers read (B, T, I) at positions (B, T) of their rows."""
        values, observed, _, (historic, future, static) = history
        lagged, _ = gather_steps(values, positions.unsqueeze(-1) + 1 - self.periods)
        parts = [lagged, observed.gather(1, positions).unsqueeze(-1).to(values.dtype)]
        parts += [_take(historic, positions)] if historic.shape[-1] else []
        parts += [_take(future, positions + 1)] if future.shape[-1] else []
        parts += [static.unsqueeze(1).expand(-1, positions.shape[1], -1)] if static.shape[-1] else []
        return torch.cat(parts, -1)

    def parameters_at(self, h: Tensor, history: History, positions: Tensor) -> Tensor:
        """The parameters (B, F, h, K) of the forecasts from outputs h (B, F, H) at positions (B, F)."""
        B, F = positions.shape
        raw = self.head(h).view(B, F, self.horizon, -1)
        if self.context is not None and self.ahead is not None and self.join is not None:
            steps = positions.unsqueeze(-1) + torch.arange(1, self.horizon + 1, device=self.device)
            known = self.ahead(_take(history.covariates.future, steps.clamp(min=0).flatten(1)))
            joined = torch.tanh(
                self.context(h).view(B, F, self.horizon, -1) + known.view(B, F, self.horizon, -1)
            )
            raw = raw + self.join(joined)
        values, exists = gather_steps(history.values, positions[..., None, None] + self.offsets)
        logits, raw = raw.split([len(self.lags), self.output.size], -1)
        anchor = mix_lags(values, exists | (self.offsets == 0), logits)
        if self.linear is not None:
            past = positions.unsqueeze(-1) - torch.arange(self.linear_steps, device=self.device)
            steps, exists = gather_steps(history.values, past)
            anchor = anchor + ((steps - steps[..., :1]) * exists) @ self.linear.t()
        return self.output.arrange(raw, anchor)


def _take(columns: Tensor, positions: Tensor) -> Tensor:
    """Rows (B, S, C) at positions (B, T) of them; the last one for those behind it, which nobody asks for."""
    positions = positions.clamp(max=columns.shape[1] - 1)
    return columns.gather(1, positions.unsqueeze(-1).expand(-1, -1, columns.shape[-1]))
