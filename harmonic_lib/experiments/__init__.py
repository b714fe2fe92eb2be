"""The papers' experiments, as functions of a profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harmonic_lib.checks import check_name
from harmonic_lib.experiments import distance_sweep, first_picture, pixel_classifiers, toy_points
from harmonic_lib.experiments.profiles import PROFILES
from harmonic_lib.records import Record

__all__ = [
    "PROFILES",
    "by_name",
    "distance_sweep",
    "first_picture",
    "pixel_classifiers",
    "toy_points",
]

RECORDED: dict[str, Callable[..., Iterator[Record]]] = {
    pixel_classifiers.NAME: pixel_classifiers.run,
    distance_sweep.NAME: distance_sweep.run,
}


def by_name(name: str) -> Callable[..., Iterator[Record]]:
    """The function that runs an experiment and yields its records.

    Raises:
        ValueError: no recorded experiment has that name.
    """
    check_name("experiment", name, RECORDED)
    return RECORDED[name]
