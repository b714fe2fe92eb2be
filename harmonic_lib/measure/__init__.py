"""Measures of trained heads, and how sure we are of them."""

from harmonic_lib.measure.geometry import class_means, prototype_alignment, prototypes
from harmonic_lib.measure.interval import Interval, confidence_interval

__all__ = ["Interval", "class_means", "confidence_interval", "prototype_alignment", "prototypes"]
