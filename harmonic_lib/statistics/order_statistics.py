"""Intervals from ranks: they hold whatever the distribution of the values is."""

from __future__ import annotations

import math
from collections.abc import Sequence


def order_interval(
    values: Sequence[float], runs: int, rank: int, level: float = 0.95
) -> tuple[float, float]:
    r"""Where the ``rank``-th smallest Y of R = ``runs`` more runs would fall.

    If all S + R runs come from one distribution, every order of them is equally likely: Y is
    below the k-th smallest :math:`X_k` of ours if at least ``rank`` of the lowest rank + k - 1
    runs are new ones, and how many there are is hypergeometric. The interval goes from the
    largest :math:`X_k` that Y is below with probability (1 - level)/2 at most, to the smallest
    that it is above with that probability at most. If there is none, that end is infinite: no
    run of ours bounds the smallest of many others from below. Equal values can make the
    interval wider than necessary, never narrower. Values may be infinite.

    >>> order_interval(range(100), runs=1, rank=1)
    (1, 98)
    >>> order_interval([0.3, 0.1, 0.2], runs=20, rank=1)
    (-inf, 0.2)

    Raises:
        ValueError: a value is NaN, or there is no such rank.

    Source: Fligner and Wolfe, "Some applications of sample analogues to the probability
    integral transformation and a coverage property", The American Statistician 30 (1976).
    """
    import numpy as np
    from scipy.stats import hypergeom

    if any(math.isnan(value) for value in values):
        raise ValueError("NaN has no rank")
    if not 1 <= rank <= runs:
        raise ValueError(f"rank must be in 1 to {runs}, the number of runs, got {rank}")
    low, high = -math.inf, math.inf
    lowest = np.arange(len(values)) + rank
    new_ones = hypergeom(len(values) + runs, runs, lowest)
    below, above = new_ones.sf(rank - 1), new_ones.cdf(rank - 1)
    tail = (1 - level) / 2
    for value, p_below, p_above in zip(sorted(values), below, above, strict=True):
        if p_below <= tail:
            low = value
        if p_above <= tail:
            high = min(high, value)
    return low, high


def median_interval(values: Sequence[float], runs: int, level: float = 0.95) -> tuple[float, float]:
    """Where the median of ``runs`` more runs would fall; between the two middle ones if even."""
    low, _ = order_interval(values, runs, (runs + 1) // 2, level)
    _, high = order_interval(values, runs, runs // 2 + 1, level)
    return low, high
