"""Statistics of seeds: intervals, paired tests, order statistics."""

from harmonic_lib.statistics.interval import (
    Interval,
    confidence_interval,
    prediction_interval,
)
from harmonic_lib.statistics.order_statistics import median_interval, order_interval
from harmonic_lib.statistics.paired import PairedDifference, holm, paired_difference

__all__ = [
    "Interval",
    "PairedDifference",
    "confidence_interval",
    "holm",
    "median_interval",
    "order_interval",
    "paired_difference",
    "prediction_interval",
]
