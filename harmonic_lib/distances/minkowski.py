"""The Minkowski family: sums of powers of coordinate differences."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.distances.base import Distance, DistanceSpec, register


@register(
    DistanceSpec(
        name="euclidean",
        formula=r"\sqrt{\sum_i (x_i - w_i)^2}",
        metric=True,
        homogeneity=1,
        domain="all real vectors",
        scipy="euclidean",
        cost="3D flops",
        intuition="the straight line between two points",
    )
)
class Euclidean(Distance):
    r"""The straight-line distance, :math:`d(x, w) = \sqrt{\sum_i (x_i - w_i)^2}`.

    Computed from the differences themselves, never by expanding the square, so a
    small distance between long vectors keeps its digits. At x = w the gradient is
    taken to be 0. In float32, a distance below 1e-19 of the largest entry of all of
    ``x`` and ``w`` loses its digits, and may count as 0.

    Memory: holds (..., K). Source: Baek et al. 2025, section 2 (the harmonic
    logit); their released code uses the square of it.
    """

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        unit = unit_of(x, w)
        return unit * cdist(x / unit, w / unit, p=2)


@register(
    DistanceSpec(
        name="manhattan",
        formula=r"\sum_i \lvert x_i - w_i \rvert",
        metric=True,
        homogeneity=1,
        domain="all real vectors",
        scipy="cityblock",
        cost="2D flops",
        intuition="the way along the streets of a grid: one axis at a time",
    )
)
class Manhattan(Distance):
    r"""The city-block distance, :math:`d(x, w) = \sum_i |x_i - w_i|`.

    The gradient of each term is the sign of its difference, and 0 where it is 0.

    Memory: holds (..., K). Source: Miller-Golub et al. 2026, section 3.
    """

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return cdist(x, w, p=1)


def cdist(x: Tensor, w: Tensor, p: float) -> Tensor:
    """``torch.cdist`` from differences, never by a matrix product: (..., D), (K, D) -> (..., K)."""
    rows = torch.cdist(
        x.reshape(-1, x.shape[-1]), w, p=p, compute_mode="donot_use_mm_for_euclid_dist"
    )
    return rows.reshape(*x.shape[:-1], len(w))


def unit_of(x: Tensor, w: Tensor) -> Tensor:
    """A power of two near the largest entry of ``x`` and ``w``: dividing by it is exact.

    It keeps squares from over- and underflowing, and cancels from the result, so no
    gradient passes through it.
    """
    largest = w.detach().abs().amax()
    if x.numel() > 0:
        largest = torch.maximum(largest, x.detach().abs().amax())
    unit = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)
    return torch.where(largest > 0, unit, 1.0)
