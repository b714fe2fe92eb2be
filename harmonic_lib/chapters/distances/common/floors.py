"""Heads whose logits cannot be far apart, and what their loss cannot get below."""

from __future__ import annotations

import math

from torch import Tensor


def best_probability(classes: int, span: float) -> float:
    """The largest probability that logits within an interval of this length can give."""
    return 1 / (1 + (classes - 1) * math.exp(-span))


def nearest_as_one(dist: Tensor, n: float = 1.0) -> Tensor:
    """The released similarity of Manhattan: (d / d_min)^-n, without eps."""
    similarity: Tensor = (dist / dist.amin(-1, keepdim=True)) ** -n
    return similarity
