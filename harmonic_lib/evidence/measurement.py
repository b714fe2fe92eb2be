"""What one run gave: a record without its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Measurement:
    """What an experiment measured in one run; :mod:`harmonic_lib.sweeps` makes a record of it.

    The fields have the meaning they have in :class:`harmonic_lib.evidence.record.Record`.
    """

    seed: int
    metrics: dict[str, float]
    data: dict[str, str]
    duration_s: float
    flops: float | None = None


class Measured(Protocol):
    """A measurement or a record: a seed and its metrics."""

    @property
    def seed(self) -> int: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...
