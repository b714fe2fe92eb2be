"""Records that no run made."""

from __future__ import annotations

from typing import Any

from harmonic_lib.records import Record


def record(config: dict[str, Any], seed: int, metrics: dict[str, float], **other: object) -> Record:
    """A record with these values; ``other``: of its other fields, those that matter."""
    fields: dict[str, Any] = {
        "claim": "",
        "experiment": "an experiment",
        "data": {},
        "duration_s": 1.0,
        "device": "CPU, 1 thread",
        "versions": {"torch": "2"},
        "commit": "",
        "code": "",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(config=config, seed=seed, metrics=metrics, **(fields | other))
