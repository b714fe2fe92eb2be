"""The Minkowski distances: each statement of the chapter, measured.

A check returns the worst violation that it met as a number: 0 or below, up to rounding, where
the statement holds, and more for a distance that it does not speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harmonic_lib.harmax import harmax
from harmonic_lib.measure.axioms import Pairwise, Slope, of_pairs


def power_slope(p: float) -> Slope:
    r"""The gradient of the p-distance in w: :math:`\pm (|x_i - w_i| / d)^{p - 1}`, by a formula."""

    def slope(x: Tensor, w: Tensor) -> Tensor:
        gap = w - x
        d = gap.abs().pow(p).sum(-1, keepdim=True).pow(1 / p)
        return gap.sign() * (gap.abs() / d).pow(p - 1)

    return slope


def detour(d: Pairwise) -> tuple[float, float]:
    """From (0, 0) to (1, 1): directly, and by way of (1, 0)."""
    a, b, c = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]], dtype=torch.float64)
    return float(d(a, c)), float(d(a, b) + d(b, c))


def reversed_violation(d: Pairwise, dim: int = 5, seed: int = 0) -> float:
    """How far the sum of two non-negative vectors is shorter than both together, relative."""
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.rand(2, 200, dim, dtype=torch.float64, generator=generator) ** 3
    both, zero = u + v, torch.zeros_like(u)
    apart = of_pairs(d, u, zero) + of_pairs(d, v, zero)
    return float((apart / of_pairs(d, both, zero) - 1).max())


def order_violation(
    build: Callable[[float], Pairwise], powers: Sequence[float], dim: int = 8, seed: int = 0
) -> float:
    r"""How far the distances are from falling with p, between max and :math:`D^{1/p}` max.

    build: from a power to its distance.
    """
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.randn(2, 200, dim, dtype=torch.float64, generator=generator)
    largest = (x - w).abs().amax(-1)
    worst, before = -math.inf, torch.full_like(largest, math.inf)
    for p in sorted(powers):
        d = of_pairs(build(p), x, w)
        for smaller, larger in ((d, before), (largest, d), (d, dim ** (1 / p) * largest)):
            worst = max(worst, float((smaller / larger - 1).max()))
        before = d
    return worst


def geometric_mean(x: Tensor, w: Tensor) -> Tensor:
    """The geometric mean of the differences of each pair: (N, D), (K, D) -> (N, K)."""
    return (x.unsqueeze(-2) - w).abs().log().mean(-1).exp()


def probability_gap(d: Pairwise, limit: Pairwise, exponent: float = 4.0, seed: int = 0) -> float:
    """The largest difference of a HarMax probability between two distances."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(100, 5, dtype=torch.float64, generator=generator)
    w = torch.randn(6, 5, dtype=torch.float64, generator=generator)
    return float((harmax(d(x, w), exponent) - harmax(limit(x, w), exponent)).abs().max())


def distance_to_itself(p: float, dim: int, eps: float = 1e-4) -> float:
    r"""The released layer's d(x, x): :math:`(D \epsilon^p + \epsilon)^{1/p}`, plus eps.

    Source: released code of Miller-Golub et al. 2026.
    """
    return float((dim * eps**p + eps) ** (1 / p) + eps)


def power_form_loss(similarity: Tensor, y: Tensor) -> Tensor:
    """The mean of -log(s_y / sum s), literally, as the released pixel classifier has it."""
    p = similarity / similarity.sum(-1, keepdim=True)
    return -p.gather(-1, y.unsqueeze(-1)).log().mean()
