"""The experiments whose runs are recorded, by name; a module is imported when it is asked for."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

from harmonic_lib.checks import check_name
from harmonic_lib.evidence.code_hash import code_hash
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.record import config_hash
from harmonic_lib.experiments.profiles import PROFILES

MODULES = {
    name: f"harmonic_lib.experiments.{name}"
    for name in ("pixel_classifiers", "distance_sweep", "algorithmic", "drop_in")
}
"""The module of each experiment, by the experiment's name."""


class Experiment(Protocol):
    """A module whose runs are recorded.

    NAME: its name in ``MODULES``. SEEDS: the seeds of each profile. A configuration is a frozen
    dataclass of values that JSON can hold: everything that decides the outcome but the seed.
    """

    __name__: str
    NAME: str
    SEEDS: dict[str, tuple[int, ...]]

    def configs(self, profile: str) -> Sequence[Any]:
        """What a profile runs, in order, each once."""

    def claim_of(self, config: Any) -> str:
        """The claim in ``data/reported`` that a configuration repeats; "" if there is none."""

    def run(
        self,
        config: Any,
        seeds: Sequence[int],
        root: Path | None = None,
        checkpoint: Path | None = None,
    ) -> list[Measurement]:
        """Run one configuration with some seeds, as one computation; one measurement per seed.

        root: where the complete data sets are. checkpoint: a file to keep a long run's state in.
        """


def by_name(name: str) -> Experiment:
    """The recorded experiment of that name.

    Raises:
        ValueError: there is none.
    """
    check_name("experiment", name, MODULES)
    return cast(Experiment, importlib.import_module(MODULES[name]))


@functools.cache
def config_hashes(name: str) -> frozenset[str]:
    """The hashes of all configurations that an experiment runs in any profile."""
    configs = [config for profile in PROFILES for config in by_name(name).configs(profile)]
    return frozenset(config_hash(asdict(config)) for config in configs)


def code_of(name: str, config: Mapping[str, Any]) -> str:
    """The hash of the code behind the outcome of an experiment's configuration."""
    return code_hash(MODULES[name], "run", every_word(name) - words(config))


@functools.cache
def every_word(name: str) -> frozenset[str]:
    """:func:`words_of` an experiment by its name."""
    return words_of(by_name(name))


def words_of(experiment: Experiment) -> frozenset[str]:
    """The texts in all configurations of an experiment, such as names of distances.

    Code behind those that a configuration does not have is not behind its outcome, where a
    registry leads to it.
    """
    configs = [each for profile in experiment.SEEDS for each in experiment.configs(profile)]
    return frozenset().union(*(words(asdict(config)) for config in configs))


def words(value: object) -> frozenset[str]:
    """The texts in a configuration."""
    if isinstance(value, str):
        return frozenset({value})
    parts = value.values() if isinstance(value, Mapping) else ()
    return frozenset().union(*map(words, parts))
