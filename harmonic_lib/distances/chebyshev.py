"""The Chebyshev distance: the largest coordinate difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.engine import transformed
from harmonic_lib.distances.formula import Formula
from harmonic_lib.distances.pairwise import Largest, every_pair
from harmonic_lib.distances.products import refined_below

NEAR = 2.0**-6
"""A smooth maximum below so much of the range of all numbers has lost six binary digits."""


class Chebyshev(Distance):
    r"""The largest coordinate difference, :math:`d(x, w) = \max_i |x_i - w_i|`.

    Its gradient is that of one coordinate, the first of the largest. With ``smooth`` =
    :math:`\alpha` every coordinate has a share, by a log-sum-exp in the place of the maximum:
    :math:`d(x, w) = \tfrac1\alpha \log \tfrac1D \sum_i e^{\alpha |x_i - w_i|}`. The mean in it,
    where others have the sum, makes d(x, x) = 0; it is below the maximum by at most
    :math:`\log(D) / \alpha`.

    Memory: holds (..., K) up to three times, and works in small tiles. Source: Miller-Golub et
    al. 2026; their vision code divides the differences by their deviation and takes no maximum.

    Args:
        smooth: None for the maximum, or alpha > 0 in units of one over a distance.

    Raises:
        ValueError: ``smooth`` is neither.
    """

    spec = DISTANCES["chebyshev"]

    def __init__(self, smooth: float | None = None) -> None:
        super().__init__()
        self.smooth = smooth if smooth is None else check_number("smooth", smooth)
        self.spec = form_of(self.spec, "maximum" if smooth is None else "smooth")

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        if self.smooth is not None:
            return smooth_maximum(self.smooth, x, w)
        rows, width = x.reshape(-1, x.shape[-1]), x.shape[-1]
        left = every_pair(Worst(), rows.detach(), w.detach())
        worst = (width - left.nan_to_num(width)).long()
        d = (rows.gather(1, worst) - w.mT.gather(0, worst)).abs() + (left - left)
        return d.reshape(*x.shape[:-1], len(w))


@dataclass(frozen=True)
class Worst(Formula):
    """How many coordinates there are from the first one on whose difference is the largest.

    For vectors without a gradient: there are no slopes. NaN where a difference is.
    """

    first = Largest()

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        (largest,) = known
        # The sum makes a table of it; torch.compile would work an arange out for every pair.
        places = torch.ones(x.shape[-1], dtype=x.dtype, device=x.device).cumsum(0)
        left = x.shape[-1] + 1 - places
        left = torch.where((x - w).abs() < largest.unsqueeze(-1), 1.0, left).amax(-1)
        return (torch.where(largest.isnan(), largest, left),)


def smooth_maximum(alpha: float, x: Tensor, w: Tensor) -> Tensor:
    r""":math:`\tfrac1\alpha \log \tfrac1D \sum_i e^{\alpha |x_i - w_i|}`: -> (..., K).

    On a CPU without an exponential for each coordinate of a pair, where all numbers are within
    37 / :math:`\alpha` (in float32) of each other: with :math:`a = e^{\alpha x}` and
    :math:`b = e^{\alpha w}` it is the larger of :math:`a_i / b_i` and :math:`b_i / a_i`.
    A distance that is small beside that range is computed again from the differences.
    """
    by_differences = LogMeanExp(alpha)
    # What is being compiled or transformed has no numbers to decide by.
    abstract = torch.compiler.is_compiling() or transformed(x) or transformed(w)
    if x.device.type != "cpu" or x.numel() == 0 or abstract:
        return every_pair(by_differences, x, w)
    low, high = torch.cat([x.detach().reshape(-1), w.detach().reshape(-1)]).aminmax()
    reach, info = float(high - low), torch.finfo(w.dtype)
    # Second derivatives are as large as e^(2 alpha reach). NaN and infinity do not fit either.
    if not 1 < alpha * reach < 0.42 * math.log(info.max):
        return every_pair(by_differences, x, w)
    a, b = ((alpha * (v - (low + high) / 2)).exp() for v in (x, w))
    d = (every_pair(Ratios(), a, b) / x.shape[-1]).log1p() / alpha

    def exact(x: Tensor, w: Tensor) -> Tensor:
        return by_differences.whole(x, w)[0]

    return refined_below(d, NEAR * reach, info.eps * reach, exact, x, w)


@dataclass(frozen=True)
class Ratios(Formula):
    r""":math:`\sum_i \left(\max(a_i / b_i, b_i / a_i) - 1\right)` of positive vectors."""

    needs_from = 1

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        return (((x - w).abs() / torch.minimum(x, w)).sum(-1),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        ratio = (x - w).sign() * (torch.maximum(x, w) / torch.minimum(x, w))
        return ratio / x, -ratio / w


@dataclass(frozen=True)
class LogMeanExp(Formula):
    r""":math:`\tfrac1\alpha \log \tfrac1D \sum_i e^{\alpha |x_i - w_i|}`.

    From the largest difference on, and with 1 taken off: nothing overflows or cancels. The slopes
    are :math:`\pm e^{\alpha |x_i - w_i|}` over the sum; for them, the largest difference, and one
    over the sum.
    """

    alpha: float
    first = Largest()
    needs_from = 1

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        (largest,) = known
        below = (self.alpha * ((x - w).abs() - largest.unsqueeze(-1))).expm1().sum(-1)
        of_sum = (below + x.shape[-1]).reciprocal().detach()
        return (below / x.shape[-1]).log1p() / self.alpha + largest, largest, of_sum

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        gap, (largest, of_sum) = x - w, found
        slope = gap.sign() * (self.alpha * (gap.abs() - largest)).exp() * of_sum
        return slope, -slope
