"""Two heads on the same seeds: their difference, and many differences at once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harmonic_lib.statistics.interval import Interval, confidence_interval

WILCOXON_SEEDS = 6  # with five, no outcome has a two-sided p below 0.06


@dataclass(frozen=True)
class PairedDifference:
    """What :func:`paired_difference` found.

    difference: the mean over seeds of a - b, with Student's t interval.
    p_value: of the paired t-test, two-sided.
    wilcoxon: p of the signed-rank test, two-sided; None with fewer than six seeds.
    effect: Cohen's d_z, the mean difference in units of the differences' standard deviation.
    seeds: how many pairs there were.
    """

    difference: Interval
    p_value: float
    wilcoxon: float | None
    effect: float
    seeds: int


def paired_difference(
    a: Sequence[float], b: Sequence[float], level: float = 0.95
) -> PairedDifference:
    r"""The difference of a and b, measured on the same S seeds in the same order.

    With :math:`\delta_s = a_s - b_s`, their mean and deviation s: the interval
    :math:`\bar\delta \pm t_{S-1}\, s/\sqrt S`, the paired t-test
    :math:`t = \bar\delta \sqrt S / s`, and :math:`d_z = \bar\delta / s`. If all differences
    are equal, s is 0: p is then 0, or 1 if they are 0.

    >>> paired_difference([0.91, 0.93, 0.95], [0.90, 0.91, 0.92]).difference
    Interval(mean=0.0199..., half_width=0.0248...)

    Raises:
        ValueError: unequally many values, fewer than two, or one that is not finite.
    """
    from scipy.stats import t, wilcoxon

    if len(a) != len(b):
        raise ValueError(f"pairs need equally many values, got {len(a)} and {len(b)}")
    if len(a) < 2:
        raise ValueError(f"a paired difference needs at least two seeds, got {len(a)}")
    missing = [
        s for s, pair in enumerate(zip(a, b, strict=True)) if not all(map(math.isfinite, pair))
    ]
    if missing:
        raise ValueError(
            f"the pairs {missing} (counted from 0) have a value that is not finite: "
            "a seed that never got there has no difference"
        )
    differences = [x - y for x, y in zip(a, b, strict=True)]
    interval = confidence_interval(differences, level)
    deviation = statistics.stdev(differences)
    if deviation:
        effect = interval.mean / deviation
    else:
        effect = math.copysign(math.inf, interval.mean) if interval.mean else 0.0
    p_value = 2 * float(t.sf(abs(effect) * math.sqrt(len(a)), len(a) - 1))
    signed_rank = None
    if len(a) >= WILCOXON_SEEDS:
        signed_rank = float(wilcoxon(differences).pvalue) if any(differences) else 1.0
    return PairedDifference(interval, p_value, signed_rank, effect, len(a))


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Holm's adjusted p-values, in the order given.

    With :math:`p_{(1)} \le \dots \le p_{(m)}`:
    :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})`. Rejecting where
    :math:`\tilde p < 0.05` keeps the chance of any false rejection among the m below 5 %,
    however the tests depend on each other.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Raises:
        ValueError: a p-value is outside [0, 1].

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6 (1979).
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value lies in [0, 1], got {p}")
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted
