"""Records that no run made."""

from __future__ import annotations

from typing import Any

from harmonic_lib.evidence.record import Record, checked, config_hash


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
        "flops": None,
        "energy_kwh": None,
        "energy": "",
    }
    own = {"config": config, "config_hash": config_hash(config), "seed": seed, "metrics": metrics}
    return checked(fields | own | other)


def changed(record: Record, **fields: Any) -> Record:
    """The record with other values of some fields, and the hash of its configuration."""
    values = {name: getattr(record, name) for name in Record.model_fields} | fields
    if "config" in fields:
        values["config_hash"] = config_hash(values["config"])
    return checked(values)
