"""How far distances agree on the order of pairs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def kendall(first: Tensor, second: Tensor) -> float:
    """Kendall's rank correlation (tau-b) of two lists of values of the same things.

    Of two things at random, the lists agree which one has more with probability (1 + tau) / 2
    where neither has ties. NaN where all values of a list are equal.

    >>> kendall(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 9.0, 4.0]))
    0.33333...

    Raises:
        ValueError: lists of different lengths, or of fewer than two values.
    """
    from scipy.stats import kendalltau

    first, second = first.detach().flatten(), second.detach().flatten()
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            f"expected two lists of as many values, at least two, got {len(first)}"
            f" and {len(second)}"
        )
    return float(kendalltau(first.numpy(), second.numpy()).statistic)


def rank_correlations(values: Mapping[str, Tensor]) -> Tensor:
    """:func:`kendall` of each list with each other: (M, M), in the order of ``values``."""
    lists = list(values.values())
    table = torch.ones(len(lists), len(lists), dtype=torch.float64)
    for i, first in enumerate(lists):
        for j, second in enumerate(lists[:i]):
            table[i, j] = table[j, i] = kendall(first, second)
    return table
