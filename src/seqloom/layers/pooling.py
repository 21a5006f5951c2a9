"""Pool the outputs of all steps into one vector for each row: last, mean, max or attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, final, get_args

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths, check_lengths, valid_mask, zero_padding

PoolingKind: TypeAlias = Literal["last", "mean", "max", "attention"]

KINDS: tuple[PoolingKind, ...] = get_args(PoolingKind)


@final
class Pooling(nn.Module):
    r"""One vector for each row from its valid steps; several kinds are concatenated.

    `last` is the output of each direction after the whole sequence: of a row's last step, and for the reverse
    direction of its first. `mean` and `max` are over steps, unit by unit. `attention` is a weighted sum over
    steps (Yang et al., 2016, aclanthology.org/N16-1174):

    .. math:: \alpha = \mathrm{softmax}_t(u^\top \tanh(W h_t + b)), \quad v = \sum_t \alpha_t h_t

    Padding has no influence, whatever its values; a row of length 0 gives zeros.

    Args:
        width: H, the width of an output, both directions together.
        kinds: `last`, `mean`, `max` or `attention`, one or several, in the order of the result.
        bidirectional: whether the second half of an output is the reverse direction's.
        batch_first: whether outputs are (B, T, H), not (T, B, H).

    Raises:
        ConfigError: no kind, an unknown or repeated one, or a width that does not fit.

    >>> pooling = Pooling(4, ["max", "mean"])
    >>> pooling(torch.ones(5, 2, 4), lengths=[5, 3]).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        width: int,
        kinds: Sequence[PoolingKind] = ("last",),
        bidirectional: bool = False,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        if width < 1 or (bidirectional and width % 2):
            least = "an even int >= 2, of two directions" if bidirectional else "an int >= 1"
            raise ConfigError("Pooling", f"width must be {least}", got=width)
        if (
            isinstance(kinds, str)
            or not kinds
            or not set(kinds) <= set(KINDS)
            or len(set(kinds)) < len(kinds)
        ):
            raise ConfigError("Pooling", f"kinds must be one or several of {', '.join(KINDS)}", got=kinds)
        self.width, self.kinds = width, tuple(kinds)
        self.bidirectional, self.batch_first = bidirectional, batch_first
        if "attention" in self.kinds:
            self.key = nn.Linear(width, width)
            self.query = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))

    @property
    def output_size(self) -> int:
        """Width of the result."""
        return self.width * len(self.kinds)

    def forward(self, output: Tensor, lengths: Lengths = None) -> Tensor:
        """Pool the outputs of every row.

        Args:
            output: (T, B, H), or (B, T, H) if `batch_first`.
            lengths: (B,) integers, the valid steps of each row, 0 allowed; None: all.

        Returns:
            (B, H times kinds).

        Raises:
            DataError: a shape or a length that does not fit.
        """
        output, valid = self._check_output(output, lengths)
        parts = [self._pool(kind, output, valid) for kind in self.kinds]
        # `last` and `max` would take values from the padding of a row without a step.
        return torch.cat(parts, dim=-1).masked_fill(~valid.any(0).unsqueeze(-1), 0)

    def weights(self, output: Tensor, lengths: Lengths = None) -> Tensor:
        """The attention weights (T, B), or (B, T) if `batch_first`; each row sums to 1.

        Raises:
            ConfigError: `attention` is not among the kinds.
            DataError: as `forward`.
        """
        if "attention" not in self.kinds:
            raise ConfigError("Pooling", "only attention has weights", got=f"{', '.join(self.kinds)}")
        output, valid = self._check_output(output, lengths)
        weights = self._weights(output, valid)
        return weights.t() if self.batch_first else weights

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.width}, {', '.join(self.kinds)}" + (", bidirectional=True" * self.bidirectional)

    def _check_output(self, output: Tensor, lengths: Lengths) -> tuple[Tensor, Tensor]:
        """Outputs (T, B, H) with T >= 1, 0 in the padding, and the mask of valid steps (T, B)."""
        if output.dim() != 3 or output.shape[-1] != self.width:
            dims = f"(B, T, {self.width})" if self.batch_first else f"(T, B, {self.width})"
            raise DataError("Pooling", f"output must be {dims}", got=f"{tuple(output.shape)}")
        if self.batch_first:
            output = output.transpose(0, 1)
        T, B, _ = output.shape
        if lengths is None and T > 0:
            return output, output.new_ones(T, B, dtype=torch.bool)
        counts = check_lengths("Pooling", [0] * B if lengths is None else lengths, B, T).to(output.device)
        valid = valid_mask(counts, max(T, 1), batch_first=False)
        if T == 0:
            return output.new_zeros(1, B, self.width), valid
        return zero_padding(output, valid), valid

    def _pool(self, kind: PoolingKind, output: Tensor, valid: Tensor) -> Tensor:
        if kind == "last":
            return self._last(output, valid)
        if kind == "mean":
            return _sum(output) / valid.sum(0).clamp(min=1).unsqueeze(-1)
        if kind == "attention":
            return _sum(output * self._weights(output, valid).unsqueeze(-1))
        return output.masked_fill(~valid.unsqueeze(-1), torch.finfo(output.dtype).min).amax(0)

    def _last(self, output: Tensor, valid: Tensor) -> Tensor:
        final_steps = (valid.sum(0) - 1).clamp(min=0)
        last = output[final_steps, torch.arange(output.shape[1], device=output.device)]
        if not self.bidirectional:
            return last
        half = self.width // 2
        return torch.cat([last[:, :half], output[0, :, half:]], dim=-1)

    def _weights(self, output: Tensor, valid: Tensor) -> Tensor:
        scores = torch.tanh(self.key(output)) @ self.query
        scores = scores.to(_at_least_float32(scores))
        lowest = torch.finfo(scores.dtype).min  # not -inf, whose softmax over a whole row is NaN
        return scores.masked_fill(~valid, lowest).softmax(0).masked_fill(~valid, 0)


def _sum(values: Tensor) -> Tensor:
    """Over steps (T, B, H), in float32 at least: a long sum in bfloat16 loses its later terms."""
    return values.sum(0, dtype=_at_least_float32(values))


def _at_least_float32(values: Tensor) -> torch.dtype:
    return torch.promote_types(values.dtype, torch.float32)
