"""What the recorded runs say of a head in the place of ``nn.Linear``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from harmonic_lib.evidence import store
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.experiments.drop_in.setups import SETUPS, Config
from harmonic_lib.statistics import PairedDifference, paired_difference

LOWER_IS_BETTER = "validation_nats"


@cache
def by_config() -> Mapping[str, list[Record]]:
    """All records of the experiment, by the hash of their configuration, sorted by seed."""
    found: dict[str, list[Record]] = {}
    for record in sorted(store.recorded("drop_in"), key=lambda each: each.seed):
        found.setdefault(config_hash(record.config), []).append(record)
    return found


def reached(setup: str, distance: str | None, **changes: Any) -> dict[int, float]:
    """What a head reached in a set-up, by seed: accuracy in percent, or nats for a token.

    Empty where nobody made these runs.
    """
    config: Config = replace(SETUPS[setup], distance=distance, **changes)
    runs = by_config().get(config_hash(asdict(config)), [])
    scale = 1 if metric(setup) == LOWER_IS_BETTER else 100
    return {run.seed: scale * run.metrics[metric(setup)] for run in runs}


def mean(setup: str, distance: str | None, **changes: Any) -> float:
    """The mean of the seeds; NaN where there is none."""
    found = reached(setup, distance, **changes)
    return sum(found.values()) / len(found) if found else math.nan


def metric(setup: str) -> str:
    """What a set-up is judged by."""
    return LOWER_IS_BETTER if SETUPS[setup].network == "gpt2" else "test_accuracy"


def gain(setup: str, distance: str) -> PairedDifference:
    """How much better than the linear head, seed by seed; positive is better."""
    ours, linear = reached(setup, distance), reached(setup, None)
    seeds = sorted(ours.keys() & linear.keys())
    sign = -1 if metric(setup) == LOWER_IS_BETTER else 1
    return paired_difference([sign * ours[s] for s in seeds], [sign * linear[s] for s in seeds])


def verdict(setup: str, distance: str) -> str:
    """ "better" or "worse" where the 95 % interval of the gain excludes 0, else "no difference"."""
    interval = gain(setup, distance).difference
    if 0 in interval:
        return "no difference"
    return "better" if interval.mean > 0 else "worse"


def table_of(rows: Mapping[str, Mapping[str, tuple[str | None, Mapping[str, Any]]]]) -> str:
    """A row for each head, set-up by set-up (distance, what else is changed): the mean of its runs,
    and how many they are if not three."""
    lines = ["| head | " + " | ".join(SETUPS) + " |", "|---|" + "---:|" * len(SETUPS)]
    for label, row in rows.items():
        cells = [cell(setup, *row[setup]) if setup in row else "–" for setup in SETUPS]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(setup: str, distance: str | None, changes: Mapping[str, Any]) -> str:
    """A mean for a table, with the number of runs in brackets if they are not three."""
    runs = len(reached(setup, distance, **changes))
    digits = 3 if metric(setup) == LOWER_IS_BETTER else 1
    few = f" ({runs})" if runs != 3 else ""
    return f"{mean(setup, distance, **changes):.{digits}f}{few}" if runs else "–"


def table(heads: Sequence[str | None]) -> str:
    """The heads as they come, in all set-ups."""
    return table_of({head or "linear": {setup: (head, {}) for setup in SETUPS} for head in heads})
