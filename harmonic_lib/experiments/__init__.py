"""The papers' experiments, as functions of a profile."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harmonic_lib.checks import check_name
from harmonic_lib.experiments import (
    algorithmic,
    distance_sweep,
    first_picture,
    pixel_classifiers,
    toy_points,
)
from harmonic_lib.experiments.profiles import PROFILES
from harmonic_lib.records import Record, config_hash

__all__ = [
    "PROFILES",
    "Experiment",
    "algorithmic",
    "by_name",
    "config_hashes",
    "distance_sweep",
    "first_picture",
    "pixel_classifiers",
    "toy_points",
]


class Experiment(Protocol):
    """A module whose runs are recorded.

    SEEDS: the seeds of a profile. A configuration is a frozen dataclass of what JSON can hold:
    everything that decides the outcome but the seed. ``distance`` is its distance, or None.
    """

    __name__: str
    NAME: str
    SEEDS: dict[str, tuple[int, ...]]

    def configs(self, profile: str) -> Sequence[Any]:
        """What a profile runs, in order, each once."""

    def run(
        self,
        config: Any,
        seeds: Sequence[int],
        root: Path | None = None,
        checkpoint: Path | None = None,
    ) -> list[Record]:
        """Run one configuration with some seeds, as one computation.

        root: where the complete data sets are. checkpoint: a file to keep a long run's state in.
        """


RECORDED: dict[str, Experiment] = {
    pixel_classifiers.NAME: pixel_classifiers,
    distance_sweep.NAME: distance_sweep,
    algorithmic.NAME: algorithmic,
}


def by_name(name: str) -> Experiment:
    """The recorded experiment of that name.

    Raises:
        ValueError: there is none.
    """
    check_name("experiment", name, RECORDED)
    return RECORDED[name]


@functools.cache
def config_hashes(name: str) -> frozenset[str]:
    """The hashes of every configuration that an experiment runs, in whatever profile."""
    configs = [config for profile in PROFILES for config in by_name(name).configs(profile)]
    return frozenset(config_hash(asdict(config)) for config in configs)
