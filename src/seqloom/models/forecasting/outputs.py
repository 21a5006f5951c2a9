r"""What a forecast of one step is: a number, quantiles, a Student-t or a negative binomial distribution.

Each output layer gives K raw numbers r a step, and the lag mix an anchor m, which it starts from:

| output | parameters | loss, in nats |
|---|---|---|
| `mae` | m + r_1 | \|y - m\|: a Laplace distribution |
| `mse` | m + r_1 | (y - m)^2 / 2: a normal distribution |
| `quantile` | sort(m + r) | pinball: asymmetric Laplace distributions (Koenker and Machado 1999) |
| `student_t` | m + r_1, softplus(r_2), 2 + softplus(r_3) | -log p(y) |
| `negative_binomial` | softplus(m + r_1), softplus(r_2) | -log p(y), of counts |

The first three are nats but for a constant. Quantiles are sorted, so that they never cross (Chernozhukov et
al. 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy
import torch
from torch import Tensor
from torch.nn.functional import softplus

from seqloom.errors import ConfigError

OutputKind: TypeAlias = Literal["mae", "mse", "quantile", "student_t", "negative_binomial"]
SIZES = {"mae": 1, "mse": 1, "student_t": 3, "negative_binomial": 2}
SMALLEST = 1e-3
"""Of a scale, in units of the window's: a likelihood must not grow without bound on a constant series."""
SHARPNESS = 10.0
"""Of the softplus that keeps a mean above 0: at 1 it differs from its argument by less than 1e-5."""


class OutputLayer(NamedTuple):
    """How the raw numbers of a step become a forecast.

    Fields:
        kind: see the table above.
        levels: of the quantiles, rising, in (0, 1).

    >>> output = OutputLayer("quantile", (0.1, 0.5, 0.9))
    >>> parameters = output.arrange(torch.tensor([0.3, 0.0, -0.2]), anchor=torch.tensor(1.0))
    >>> parameters
    tensor([0.8000, 1.0000, 1.3000])
    >>> output.loss(parameters, torch.tensor(1.0))
    tensor(0.0167)
    """

    kind: OutputKind = "quantile"
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)

    @property
    def size(self) -> int:
        """K, raw numbers a step."""
        return SIZES.get(self.kind, len(self.levels))

    def check(self) -> None:
        """Check the levels.

        Raises:
            ConfigError: they do not rise within (0, 1).
        """
        levels = self.levels
        rises = all(low < high for low, high in pairwise(levels))
        if self.kind == "quantile" and not (levels and rises and levels[0] > 0 and levels[-1] < 1):
            expected = "quantiles must rise, above 0 and below 1"
            raise ConfigError("Forecaster", expected, got=list(levels))

    def arrange(self, raw: Tensor, anchor: Tensor) -> Tensor:
        """The parameters (…, K) of raw numbers (…, K) and an anchor (…), in units of the window."""
        if self.kind == "quantile":
            return (anchor.unsqueeze(-1) + raw).sort(-1).values
        center = anchor + raw[..., 0]
        if self.kind == "student_t":
            spread = softplus(raw[..., 1] - 1) + SMALLEST
            return torch.stack([center, spread, 2 + SMALLEST + softplus(raw[..., 2] + 1)], -1)
        if self.kind == "negative_binomial":
            mean = softplus(center, beta=SHARPNESS) + SMALLEST**2
            return torch.stack([mean, softplus(raw[..., 1] - 1) + SMALLEST**2], -1)
        return center.unsqueeze(-1)

    def loss(self, parameters: Tensor, target: Tensor, scale: Tensor | float = 1.0) -> Tensor:
        """Nats of a target (…), given parameters (…, K); `scale` is what counts were divided by."""
        if self.kind == "quantile":
            levels = parameters.new_tensor(self.levels)
            error = target.unsqueeze(-1) - parameters
            return torch.maximum(levels * error, (levels - 1) * error).mean(-1)
        if self.kind == "student_t":
            center, spread, df = parameters.unbind(-1)
            z = (target - center) / spread
            constant = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - torch.log(df * math.pi) / 2
            return torch.log(spread) - constant + (df + 1) / 2 * torch.log1p(z * z / df)
        if self.kind == "negative_binomial":
            return negative_binomial_nats(parameters, target, scale)
        error = target - parameters[..., 0]
        return error.abs() if self.kind == "mae" else error.square() / 2

    def center(self, parameters: Tensor) -> Tensor:
        """The point forecast (…): the mean, or for quantiles the median."""
        if self.kind != "quantile":
            return parameters[..., 0]
        if 0.5 in self.levels:
            return parameters[..., self.levels.index(0.5)]
        values = parameters.detach().double().cpu().numpy()
        median = interpolate(values, self.levels, (0.5,))[..., 0]
        return torch.from_numpy(median).to(parameters)

    def quantiles(
        self, parameters: numpy.ndarray, levels: Sequence[float], scale: numpy.ndarray | float = 1.0
    ) -> numpy.ndarray | None:
        """Quantiles (…, len(levels)) of parameters (…, K), in units of the window; None for a number alone.

        Between the quantiles that a model was trained for they are interpolated; beyond the outermost they
        go on as those of a normal distribution.
        """
        if self.kind == "quantile":
            return interpolate(parameters, self.levels, levels)
        if self.kind in ("mae", "mse"):
            return None
        from scipy import stats

        chances = numpy.asarray(levels)
        if self.kind == "student_t":
            center, spread, df = (parameters[..., number, None] for number in range(3))
            return center + spread * stats.t.ppf(chances, df)
        mean, alpha = (parameters[..., number, None] for number in range(2))
        scale = numpy.asarray(scale)[..., None]
        return stats.nbinom.ppf(chances, 1 / alpha, 1 / (1 + alpha * mean * scale)) / scale

    def sample(self, parameters: Tensor, generator: torch.Generator, scale: Tensor | float = 1.0) -> Tensor:
        """A draw (…) from each distribution; of a number alone, the number."""
        if self.kind == "quantile":
            chance = torch.rand(parameters.shape[:-1], generator=generator, device="cpu").clamp(
                1e-6, 1 - 1e-6
            )
            drawn = interpolate_at(parameters.cpu().double().numpy(), self.levels, chance.double().numpy())
            return torch.from_numpy(drawn).to(parameters)
        if self.kind == "student_t":
            center, spread, df = parameters.unbind(-1)
            normal = torch.randn(center.shape, generator=generator, device="cpu")
            gamma = draw_gamma(df / 2, generator)
            return center + spread * normal * torch.sqrt(df / 2 / gamma.clamp(min=1e-6))
        if self.kind == "negative_binomial":
            mean, alpha = parameters.unbind(-1)
            rate = draw_gamma(1 / alpha, generator) * alpha * mean * scale
            return torch.poisson(rate, generator=generator) / scale
        return parameters[..., 0]


def draw_gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    """A draw of a gamma distribution of scale 1 for each shape; torch.distributions takes no generator."""
    return torch._standard_gamma(shape, generator=generator)  # type: ignore[attr-defined]


def negative_binomial_nats(parameters: Tensor, target: Tensor, scale: Tensor | float) -> Tensor:
    """Nats of counts that were divided by `scale`: variance = mean + alpha mean^2 (Salinas et al. 2020)."""
    mean, alpha = parameters.unbind(-1)
    mean, count = mean * scale, (target * scale).clamp(min=0)
    r = 1 / alpha
    constant = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
    return -(constant - r * torch.log1p(alpha * mean) + count * torch.log(mean / (r + mean)))


def interpolate(values: numpy.ndarray, known: Sequence[float], levels: Sequence[float]) -> numpy.ndarray:
    """Quantiles at `levels` (…, len(levels)) from those at the `known` levels (…, K).

    >>> interpolate(numpy.array([1.0, 2.0, 4.0]), [0.25, 0.5, 0.75], [0.5, 0.6])
    array([2.        , 2.75122595])
    """
    shape = values.shape[:-1]
    columns = [interpolate_at(values, known, numpy.full(shape, level)) for level in levels]
    return numpy.stack(columns, -1)


def interpolate_at(values: numpy.ndarray, known: Sequence[float], chance: Any) -> numpy.ndarray:
    """The quantile at a level of its own for each row: values (…, K), chance (…)."""
    from scipy.special import ndtri

    if len(known) == 1:
        return values[..., 0]
    z, at = ndtri(numpy.asarray(known)), ndtri(chance)
    right = numpy.clip(numpy.searchsorted(z, at), 1, len(known) - 1)
    low = numpy.take_along_axis(values, right[..., None] - 1, -1)[..., 0]
    high = numpy.take_along_axis(values, right[..., None], -1)[..., 0]
    share = (at - z[right - 1]) / (z[right] - z[right - 1])
    return low + share * (high - low)
