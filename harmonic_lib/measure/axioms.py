"""What several chapters check of a distance, and what they check it on.

A check returns the worst violation that it met as a number: 0 or below, up to rounding, where
the law holds, and more for a distance that breaks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

Pairwise = Callable[[Tensor, Tensor], Tensor]
"""Any function that gives distances as a ``Distance`` does: (N, D), (K, D) -> (N, K)."""

Slope = Callable[[Tensor, Tensor], Tensor]
"""The gradient of d(x, w) in w by a formula, pair by pair: (N, D), (N, D) -> (N, D)."""


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def of_pairs(d: Pairwise, a: Tensor, b: Tensor) -> Tensor:
    """The distance of each row of ``a`` from the same row of ``b``: (N,)."""
    return torch.stack([d(u[None], v[None])[0, 0] for u, v in zip(a, b, strict=True)])


def axioms(d: Pairwise, dim: int = 5, seed: int = 0) -> dict[str, float]:
    """The worst violation of each law of a norm's distance, over triples of vectors.

    The middle point of a triple is any, or half-way, or takes each coordinate from one of its
    neighbours. All are relative to the distances.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    a, c, shift = draw(40, dim), draw(40, dim), draw(dim)
    corner = torch.where(draw(40, dim) > 0, a, c)
    triangle = -math.inf
    for b in (draw(40, dim), (a + c) / 2, corner):
        direct, first, second = (of_pairs(d, u, v) for u, v in ((a, c), (a, b), (b, c)))
        triangle = max(triangle, float((direct / (first + second) - 1).max()))
    dist = d(a, c)
    return {
        "d(x, x) = 0": float(of_pairs(d, a, a).abs().max()),
        "symmetry": float((d(c, a).mT / dist - 1).abs().max()),
        "triangle": triangle,
        "homogeneity": float((d(3 * a, 3 * c) / (3 * dist) - 1).abs().max()),
        "translation": float((d(a + shift, c + shift) / dist - 1).abs().max()),
    }


def slope_violation(d: Pairwise, slope: Slope, dim: int = 6, seed: int = 0) -> float:
    """How far a formula for the gradient of d(x, w) in w is from autograd's."""
    x, w = normal(2, 50, dim, seed=seed)
    w.requires_grad_()
    (found,) = torch.autograd.grad(of_pairs(d, x, w).sum(), w)
    return float((found - slope(x, w.detach())).abs().max())


# --- how far the own prototype can be ---------------------------------------------------------
def reversal_bound(classes: int) -> float:
    """How many times as far as the others the own prototype can be, on average over K classes."""
    return 2 * (classes - 1) / (classes - 2)


def reversal_ratio(between: Tensor) -> float:
    """The mean distance from the own prototype over that from the others.

    ``between`` is (K, K): row k has the mean distances of class k's inputs from each prototype.
    """
    own = between.diagonal().sum()
    return float(own / (between.sum() - own)) * (len(between) - 1)


def opposites(classes: int) -> tuple[Tensor, Tensor]:
    """Inputs and prototypes of 0 and 1, a row for each of an even number of classes.

    One coordinate for each half of the classes: 1 for the inputs of that half and for the
    prototypes of the other. Own prototypes are as far away as the proposition allows.
    """
    halves = torch.tensor(list(combinations(range(classes), classes // 2)))
    x = torch.zeros(classes, len(halves), dtype=torch.float64).scatter_(0, halves.T, 1.0)
    return x, 1 - x


def reversal_violation(d: Pairwise, classes: int = 10, seed: int = 0) -> float:
    """How far the ratio gets above :func:`reversal_bound`, for classes of five inputs each.

    Tried are :func:`opposites`, prototypes at the negative of their inputs, tables of distances
    (inputs and prototypes that have the distances 3, 1 and 2 by the largest coordinate), and
    random ones; the inputs of a class at one place, and more and more scattered.
    """
    spread = normal(classes, 24, seed=seed)
    spread -= spread.mean(0)
    own = torch.eye(classes, dtype=torch.float64)
    same, other = 2 - 2 * own, 1 + 2 * own
    tables = torch.cat([same, other], dim=1), torch.cat([other, same], dim=1)
    random = normal(classes, 24, seed=seed + 1), normal(classes, 24, seed=seed + 2)
    worst = -math.inf
    for x, w in (opposites(classes), (spread, -spread), tables, random):
        for size in (0.0, 0.01, 0.1, 1.0):
            noise = size * normal(5, *x.shape, seed=seed + 3)
            between = d((x + noise).flatten(0, 1), w).unflatten(0, (5, classes)).mean(0)
            worst = max(worst, reversal_ratio(between) - reversal_bound(classes))
    return worst
