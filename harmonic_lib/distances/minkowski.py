"""The Minkowski distances: sums of powers of coordinate differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.arithmetic import inverse, over, power, raised
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.formula import Formula
from harmonic_lib.distances.pairwise import Largest, Norm, every_pair
from harmonic_lib.distances.products import euclidean


class Minkowski(Distance):
    r"""The p-distance, :math:`d(x, w) = (\sum_i |x_i - w_i|^p)^{1/p}`, for any p > 0.

    For p < 1 the triangle inequality fails, and the distance grows as :math:`D^{1/p}`: in
    float32 it overflows at p below about log10(D) / 38. Each pair is measured in units of its
    largest difference, so no power does; differences below the least normal number lose their
    digits. Where a difference is 0 its gradient is taken to be 0, also for p < 1, where the slope
    beside it is infinite.

    Memory: holds (..., K), and works in small tiles. Source: Miller-Golub et al. 2026.

    Args:
        p: the power, positive and at most 1e9.

    Raises:
        ValueError: ``p`` is no such number.
    """

    spec = DISTANCES["minkowski"]

    def __init__(self, p: float = 1.5) -> None:
        super().__init__()
        if isinstance(p, float) and p == math.inf:
            raise ValueError("p must be finite, got inf; the limit is distance('chebyshev')")
        self.p = check_number("p", p)
        if p > 1e9:
            raise ValueError(f"p must be at most 1e9, got {p}; the limit is distance('chebyshev')")
        self.spec = form_of(self.spec, "p >= 1" if p >= 1 else "p < 1")

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        if self.p == 1:
            return every_pair(Norm(1), x, w)
        if self.p == 2:
            return euclidean(x, w)
        return every_pair(PowerSum(self.p), x, w)


@dataclass(frozen=True)
class PowerSum(Formula):
    r""":math:`(\sum_i |x_i - w_i|^p)^{1/p}`; its slopes are :math:`\pm (|x_i - w_i| / d)^{p-1}`."""

    p: float
    first = Largest()

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        (largest,) = known
        share = (x - w).abs() * inverse(largest).unsqueeze(-1)
        return (largest * power(power(share, self.p, beside_one=True).sum(-1), 1 / self.p),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        gap = x - w
        share = gap.abs() * inverse(found[0])
        if self.p > 1:
            slope = gap.sign() * raised(share, self.p - 1)
        else:
            slope = over(gap.sign(), raised(share, 1 - self.p))
        return slope, -slope
