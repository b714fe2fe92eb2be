"""What the recorded runs say of a head in the place of ``nn.Linear``."""

from __future__ import annotations

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


def runs(setup: str, distance: str | None, **changes: Any) -> list[Record]:
    """The runs of a head in a set-up, one per seed; none where nobody made them."""
    config: Config = replace(SETUPS[setup], distance=distance, **changes)
    return by_config().get(config_hash(asdict(config)), [])


def metric(setup: str) -> str:
    """What a set-up is judged by."""
    return LOWER_IS_BETTER if SETUPS[setup].network == "gpt2" else "test_accuracy"


def values(setup: str, runs: Sequence[Record]) -> list[float]:
    """What each run reached: accuracy in percent, or nats for a token."""
    name = metric(setup)
    return [(1 if name == LOWER_IS_BETTER else 100) * run.metrics[name] for run in runs]


def gain(setup: str, distance: str) -> PairedDifference:
    """How much better than the linear head, over the same seeds; positive is better."""
    ours, linear = (values(setup, runs(setup, head)) for head in (distance, None))
    sign = -1 if metric(setup) == LOWER_IS_BETTER else 1
    return paired_difference([sign * v for v in ours], [sign * v for v in linear[: len(ours)]])


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
        cells = []
        for setup in SETUPS:
            distance, changes = row.get(setup, ("", {}))
            found = values(setup, runs(setup, distance, **changes))
            cells.append(mean_of(setup, found) if found else "–")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_of(setup: str, reached: Sequence[float]) -> str:
    """A mean for a table, with the number of runs in brackets if they are not three."""
    digits = 3 if metric(setup) == LOWER_IS_BETTER else 1
    few = f" ({len(reached)})" if len(reached) != 3 else ""
    return f"{sum(reached) / len(reached):.{digits}f}{few}"


def table(heads: Sequence[str | None]) -> str:
    """The heads as they come, in all set-ups."""
    return table_of({head or "linear": {setup: (head, {}) for setup in SETUPS} for head in heads})
