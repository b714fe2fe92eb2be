"""Means over seeds, with an interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and the half-width of its confidence interval."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def confidence_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    r"""Student's t interval of the mean, :math:`\bar v \pm t_{S-1} \, s / \sqrt{S}`.

    It assumes that the S values, one a seed, are independent and roughly normal. With
    three seeds t is 4.3: the interval is wide, and honestly so.

    >>> confidence_interval([0.92, 0.93, 0.94])
    Interval(mean=0.93, half_width=0.02484...)

    Raises:
        ValueError: fewer than two values; one run says nothing about its spread.
    """
    return student(values, level, 0.0)


def prediction_interval(values: Sequence[float], level: float = 0.95, runs: float = 1) -> Interval:
    r"""Where the mean of R = ``runs`` more runs would fall.

    .. math:: \bar v \pm t_{S-1} \, s \sqrt{1/R + 1/S}

    The interval to hold a reported mean of R runs against, or with R = 1 a single reported
    run: it scatters too. With R infinite it is :func:`confidence_interval`, whose assumptions
    and errors it shares.
    """
    return student(values, level, 1 / runs)


def student(values: Sequence[float], level: float, more: float) -> Interval:
    """Student's t interval; ``more``: the variance to add to that of our mean, in units of s²."""
    from scipy.stats import t

    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}")
    quantile = float(t.ppf((1 + level) / 2, len(values) - 1))
    scale = statistics.stdev(values) * math.sqrt(more + 1 / len(values))
    return Interval(statistics.fmean(values), quantile * scale)
