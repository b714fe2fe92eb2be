"""The Chebyshev distance and its smooth form: each statement of the chapter, measured.

A check returns the worst violation that it met as a number: 0 or below, up to rounding, where
the statement holds, and more for a distance that it does not speak of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harmonic_lib.measure.axioms import Pairwise, Slope, of_pairs


def worst_slope(x: Tensor, w: Tensor) -> Tensor:
    """The gradient of the largest difference in w: a sign at one coordinate, the first of those."""
    gap = w - x
    worst = gap.abs().argmax(-1, keepdim=True)
    return torch.zeros_like(gap).scatter(-1, worst, gap.gather(-1, worst).sign())


def soft_slope(alpha: float) -> Slope:
    r"""The gradient of the smooth form in w: signs, shared out by a softmax of alpha |x - w|."""

    def slope(x: Tensor, w: Tensor) -> Tensor:
        gap = w - x
        return gap.sign() * (alpha * gap.abs()).softmax(-1)

    return slope


def gaps(dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pairs of vectors, some with one large difference and some with all differences equal."""
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.randn(2, 300, dim, dtype=torch.float64, generator=generator)
    w[:100] = x[:100]
    w[:100, 0] += 5
    w[100:200] = x[100:200] + 0.7 * w[100:200].sign()
    return x, w


def bounds_violation(d: Pairwise, alpha: float, dim: int = 64, seed: int = 0) -> float:
    r"""How far d gets out of [max - log(D) / alpha, max], or below the mean difference."""
    x, w = gaps(dim, seed)
    differences, dist = (x - w).abs(), of_pairs(d, x, w)
    largest, mean = differences.amax(-1), differences.mean(-1)
    low = torch.maximum(largest - math.log(dim) / alpha, mean)
    return float(torch.maximum(low - dist, dist - largest).max())


def limit_gaps(d: Pairwise, dim: int = 64, seed: int = 0) -> tuple[float, float]:
    """How far d is at most from the mean difference, and from the largest."""
    x, w = gaps(dim, seed)
    differences, dist = (x - w).abs(), of_pairs(d, x, w)
    return (
        float((dist - differences.mean(-1)).abs().max()),
        float((dist - differences.amax(-1)).abs().max()),
    )


def on_a_line(d: Pairwise) -> tuple[float, float]:
    """From (0, 0) to (2, 0): directly, and by way of the middle."""
    a, b, c = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]]], dtype=torch.float64)
    return float(d(a, c)), float(d(a, b) + d(b, c))


def rescaling_violation(smooth: Pairwise, steeper: Pairwise, factor: float = 3.0) -> float:
    """How far a * steeper(x, w) is from smooth(ax, aw), relative; steeper has a times the alpha."""
    x, w = gaps(16, 0)
    scaled, expected = smooth(factor * x, factor * w), factor * steeper(x, w)
    return float((scaled / expected - 1).abs().max())


def learning_share(d: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of the entries of w that any of the distances to ``x`` has a gradient for."""
    leaf = w.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(d(x, leaf).log().sum(), leaf)
    return float((slope != 0).double().mean())


def tied_coordinates(x: Tensor, w: Tensor) -> float:
    """The share of pairs whose largest difference is that of two coordinates or more."""
    differences = (x.unsqueeze(-2) - w).abs()
    largest = differences.amax(-1, keepdim=True)
    return float(((differences == largest).sum(-1) > 1).double().mean())


def tied_classes(d: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of inputs that have two nearest prototypes or more."""
    dist = d(x, w)
    nearest = dist.amin(-1, keepdim=True)
    return float(((dist == nearest).sum(-1) > 1).double().mean())
