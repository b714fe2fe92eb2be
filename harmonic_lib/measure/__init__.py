"""Measures of trained heads, and how sure we are of them."""

from harmonic_lib.measure.geometry import (
    class_means,
    mutual_cosine,
    prototype_alignment,
    prototypes,
)
from harmonic_lib.measure.interval import Interval, confidence_interval, prediction_interval
from harmonic_lib.measure.order_statistics import median_interval, order_interval
from harmonic_lib.measure.paired import PairedDifference, holm, paired_difference

__all__ = [
    "Interval",
    "PairedDifference",
    "class_means",
    "confidence_interval",
    "holm",
    "median_interval",
    "mutual_cosine",
    "order_interval",
    "paired_difference",
    "prediction_interval",
    "prototype_alignment",
    "prototypes",
]
