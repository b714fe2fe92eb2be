"""The statements of the chapter on all five tasks, each as the worst that a check finds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harmonic_lib.measure.embedding import explained_variance

Measure = Callable[[Tensor], Tensor]
"""From a (V, D) table to EV_1, EV_2 and so on."""


def rank_violation(measure: Measure = explained_variance) -> float:
    """How far EV_k falls below k / r in random tables of many shapes and ranks r; 0 if nowhere."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for rows, width, rank in ((24, 16, 16), (10, 16, 9), (126, 16, 5), (40, 3, 3), (8, 4, 1)):
        factors = [(rows, rank), (rank, width)]
        left, right = (torch.randn(s, generator=generator, dtype=torch.float64) for s in factors)
        found = measure(left @ right)[:rank]
        least = torch.arange(1, rank + 1).double() / rank
        worst = max(worst, float((least - found).max()))
    return worst


def equality_violation(measure: Measure = explained_variance) -> float:
    """How far EV_k is from k / r where the variances are equal: the corners of a regular simplex.

    The r + 1 corners are the unit vectors of as many dimensions; their affine hull has r.
    """
    worst = 0.0
    for r in (2, 4, 15):
        found = measure(torch.eye(r + 1, dtype=torch.float64))[:r]
        worst = max(worst, float((found - torch.arange(1, r + 1).double() / r).abs().max()))
    return worst
