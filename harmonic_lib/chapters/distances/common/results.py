"""The recorded sweep of exponents, as the chapters on distances read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache

from harmonic_lib import evidence, markdown
from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.experiments.distance_sweep import NAME, STARTS, sweep
from harmonic_lib.statistics import Interval, confidence_interval


def recorded(label: str, start: str = "images") -> dict[float, list[Record]]:
    """The committed records of a form, by exponent."""
    configs = {config_hash(asdict(c)): c.exponent for c in sweep(label, "full", start)}
    found: dict[float, list[Record]] = {n: [] for n in configs.values()}
    for record in every_record():
        if record.config_hash in configs:
            found[configs[record.config_hash]].append(record)
    return found


@cache
def every_record() -> list[Record]:
    """All committed records of this experiment."""
    return evidence.recorded(NAME)


def curve(runs: Mapping[float, Sequence[Measured]], metric: str) -> dict[float, Interval]:
    """A metric's mean over seeds, with its 95 % interval, by exponent."""
    return {n: confidence_interval([r.metrics[metric] for r in each]) for n, each in runs.items()}


def best(runs: Mapping[float, Sequence[Measured]]) -> float:
    """The exponent of the highest mean validation accuracy; the smaller of equals."""
    accuracies = curve(runs, "validation_accuracy")
    return max(accuracies, key=lambda n: (accuracies[n].mean, -n))


def table(labels: Sequence[str]) -> str:
    """The recorded results of some forms as a Markdown table, a line a form.

    The best exponent is that of the highest mean validation accuracy, of each start by itself.
    """
    columns = "form | best $n$ | test accuracy (%) | at $n = 8$ | spread of $\\log d$ at the start"
    rows = []
    for label in labels:
        images, noise = (recorded(label, start) for start in STARTS)
        n, m = best(images), best(noise)
        accuracies = curve(images, "test_accuracy")
        spread = curve(images, "spread_at_start")[n].mean
        rows.append(
            (
                label,
                f"{n:g}",
                percent(accuracies[n]),
                percent(accuracies[8.0]),
                f"{spread:.3f}",
                f"{percent(curve(noise, 'test_accuracy')[m])} ({m:g})",
            )
        )
    return markdown.table(f"{columns} | from noise (its $n$)", rows)


def percent(value: Interval) -> str:
    """A share and the half-width of its interval, in per cent, kept on one line: "95.9 ± 0.6"."""
    return f"{100 * value.mean:.1f}\u00a0±\u00a0{100 * value.half_width:.1f}"
