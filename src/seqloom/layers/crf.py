r"""A linear-chain conditional random field over the tags of a sequence.

.. math::

    s(x, y) &= a_{y_1} + \sum_{t=1}^{T} e_{t, y_t} + \sum_{t=2}^{T} A_{y_{t-1}, y_t} + b_{y_T} \\
    \log p(y \mid x) &= s(x, y) - \log \sum_{y'} \exp s(x, y') \\
    \hat{y} &= \operatorname{argmax}_y s(x, y)

e are the emissions, a network's scores of each tag at each step; a, A and b are learned here.
Lafferty, McCallum and Pereira, 2001 (ICML, pages 282 to 289); on recurrent layers: Lample et al., 2016,
arXiv:1603.01360. The sum over all paths is computed by the forward algorithm, the best path by Viterbi's.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import DataError
from seqloom.layers.masking import INTEGERS, Lengths, check_lengths, valid_mask, zero_padding


class BestPath(NamedTuple):
    """The best tags of each row, and their score s(x, y)."""

    tags: Tensor
    """(B, T) int64; 0 beyond a row's length"""
    score: Tensor
    """(B,)"""


@final
class CRF(nn.Module):
    """The probability of a whole sequence of tags, and the best one.

    Padding has no influence, whatever its values; a row of length 0 has probability 1. Everything is computed
    in float32 at least, under autocast too. The parameters begin at zero, which makes the tags independent.

    Args:
        num_tags: K, number of tags.

    Raises:
        ConfigError: a size that is no int >= 1.

    >>> crf = CRF(3)
    >>> emissions, tags = torch.randn(2, 5, 3), torch.tensor([[0, 1, 2, 0, 1], [2, 2, 0, 0, 0]])
    >>> crf(emissions, tags, lengths=[5, 2]).shape
    torch.Size([2])
    >>> crf.best_path(emissions, lengths=[5, 2]).tags.shape
    torch.Size([2, 5])
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.num_tags = check_size("CRF", "num_tags", num_tags)
        self.start = nn.Parameter(torch.zeros(num_tags))  # a
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))  # A, from row to column
        self.end = nn.Parameter(torch.zeros(num_tags))  # b

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Lengths = None) -> Tensor:
        """The log-likelihood of `tags`, in nats.

        Args:
            emissions: (B, T, K).
            tags: (B, T) integers, 0 to K - 1; anything beyond a row's length.
            lengths: (B,) integers, the valid steps of each row, 0 allowed; None: all.

        Returns:
            log p (B,), at most 0 but for rounding.

        Raises:
            DataError: a shape, a type, a tag or a length that does not fit.
        """
        steps = emissions.shape[:2]
        emissions, valid = self._check_emissions(emissions, lengths)
        tags = self._check_tags(tags, steps, valid)
        with torch.autocast(emissions.device.type, enabled=False):
            return self._score(emissions, tags, valid) - self._log_partition(emissions, valid)

    @torch.no_grad()
    def best_path(self, emissions: Tensor, lengths: Lengths = None) -> BestPath:
        """The most probable tags (Viterbi 1967); of equal ones, the lowest numbers, decided from the end.

        Args:
            emissions, lengths: as for `forward`.

        Raises:
            DataError: as `forward`.
        """
        steps = emissions.shape[:2]
        emissions, valid = self._check_emissions(emissions, lengths)
        start, A, end = (part.to(emissions.dtype) for part in (self.start, self.transitions, self.end))
        best, pointers = start + emissions[:, 0], []
        for t in range(1, valid.shape[1]):
            longer, before = (best.unsqueeze(2) + A).max(1)
            best = torch.where(valid[:, t, None], longer + emissions[:, t], best)
            pointers.append(before)
        score, tag = (best + end).max(1)
        path = [tag]  # a row's last tag is repeated back to its last valid step
        for t in range(valid.shape[1] - 1, 0, -1):
            before = pointers[t - 1].gather(1, tag.unsqueeze(1)).squeeze(1)
            tag = torch.where(valid[:, t], before, tag)
            path.append(tag)
        tags = torch.stack(path[::-1], 1).masked_fill(~valid, 0)
        return BestPath(tags[:, : steps[1]], score.masked_fill(~valid[:, 0], 0))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.num_tags}"

    def _score(self, emissions: Tensor, tags: Tensor, valid: Tensor) -> Tensor:
        """s(x, y) (B,)."""
        start, A, end = self.start, self.transitions, self.end
        steps = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        steps = steps + torch.cat([start[tags[:, :1]], A[tags[:, :-1], tags[:, 1:]]], dim=1)
        last = tags.gather(1, (valid.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        return steps.masked_fill(~valid, 0).sum(1) + end[last].masked_fill(~valid[:, 0], 0)

    def _log_partition(self, emissions: Tensor, valid: Tensor) -> Tensor:
        """log of the sum of exp s(x, y') over all y' (B,)."""
        # alpha_k: the same sum over the paths so far that end in tag k.
        alpha = self.start + emissions[:, 0]
        for t in range(1, valid.shape[1]):
            longer = (alpha.unsqueeze(2) + self.transitions).logsumexp(1) + emissions[:, t]
            alpha = torch.where(valid[:, t, None], longer, alpha)
        return (alpha + self.end).logsumexp(1).masked_fill(~valid[:, 0], 0)

    def _check_emissions(self, emissions: Tensor, lengths: Lengths) -> tuple[Tensor, Tensor]:
        """Emissions in float32 at least, 0 in the padding, and the mask of valid steps; both with T >= 1."""
        if emissions.dim() != 3 or emissions.shape[2] != self.num_tags or not emissions.is_floating_point():
            got = f"{emissions.dtype} {tuple(emissions.shape)}"
            raise DataError("CRF", f"emissions must be floating point (B, T, {self.num_tags})", got=got)
        B, T, _ = emissions.shape
        counts = check_lengths("CRF", [T] * B if lengths is None else lengths, B, T).to(emissions.device)
        if T == 0:
            emissions = nn.functional.pad(emissions, (0, 0, 0, 1))
        valid = valid_mask(counts, emissions.shape[1])
        emissions = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
        return zero_padding(emissions, valid), valid

    def _check_tags(self, tags: Tensor, steps: torch.Size, valid: Tensor) -> Tensor:
        """Tags of the shape of `valid`, 0 in the padding; `steps` is (B, T) of the caller's emissions."""
        if tags.dtype not in INTEGERS or tags.shape != steps:
            got = f"{tags.dtype} {tuple(tags.shape)}"
            raise DataError("CRF", f"tags must be whole numbers of shape {tuple(steps)}", got=got)
        if tags.shape != valid.shape:
            tags = tags.new_zeros(valid.shape)
        tags = tags.to(torch.int64).masked_fill(~valid, 0)
        wrong = tags[(tags < 0) | (tags >= self.num_tags)]
        if len(wrong):
            raise DataError("CRF", f"tags must be 0 to {self.num_tags - 1}", got=int(wrong[0]))
        return tags
