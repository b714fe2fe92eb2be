"""Reported data efficiency."""

from __future__ import annotations

from harmonic_lib.evidence import reported
from harmonic_lib.experiments import algorithmic as algo

REPORTED = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9)
"""The train fractions of the reported data efficiency."""


def reported_curve(name: str, head: str, model: str = "mlp") -> dict[float, float]:
    """Reported test accuracy of a task by train fraction; that of 0.8 is of the main runs."""
    said = {row.claim: row.value for row in reported(algo.NAME) if row.metric == "test_accuracy"}
    main = algo.claim_of(algo.as_released(name, head, model))
    return {f: said[main if f == 0.8 else f"{main}-fraction-{f}"] for f in REPORTED}


def rerun(name: str) -> dict[str, float]:
    """What a re-run of the released code gave for a task or a case, as shares by metric."""
    claim = f"{name.replace('_', '-')}-rerun"
    return {row.metric: row.share for row in reported(algo.NAME) if row.claim == claim}
