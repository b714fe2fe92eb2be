"""Measures of trained heads, and how sure we are of them."""

from harmonic_lib.measure.geometry import (
    class_means,
    mutual_cosine,
    prototype_alignment,
    prototypes,
)
from harmonic_lib.measure.interval import Interval, confidence_interval, prediction_interval

__all__ = [
    "Interval",
    "class_means",
    "confidence_interval",
    "mutual_cosine",
    "prediction_interval",
    "prototype_alignment",
    "prototypes",
]
