"""The five algorithmic tasks by their recorded seeds: reported beside ours, and like for like.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from collections.abc import Sequence

from harmonic_lib.chapters.algorithmic.common.seeds import (
    runs_of,
)
from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import reported
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    HEADS,
    NAMES,
    as_released,
    claim_of,
)
from harmonic_lib.markdown import table
from harmonic_lib.verdicts.rule import NAMES as VERDICTS
from harmonic_lib.verdicts.rule import counts, verdicts


def reported_ev(name: str, head: str, model: str = "mlp") -> dict[str, float]:
    """EV_2 of the 20 seeds as reported, as shares: "median", "min" and "max"."""
    claim = claim_of(as_released(name, head, model))
    return {
        row.statistic: row.share
        for row in reported(algorithmic.NAME)
        if row.claim == claim and row.metric == "ev_2" and row.statistic != "run"
    }


def verdict_table(found: Sequence[Record], model: str) -> str:
    """How many of a model's reported numbers have which verdict, by task and head, in Markdown.

    The papers' protocol at a train fraction of 0.8 alone.
    """
    every = verdicts(reported(algorithmic.NAME), found)
    rows = []
    for name in NAMES:
        for head in HEADS:
            config = as_released(name, head, model)
            own = counts(each for each in every if each.row.claim == claim_of(config))
            seeds = len(runs_of(found, config))
            rows.append((f"{name.replace('_', ' ')}, {head}", seeds, *own.values()))
    return table(" | ".join([f"{model}: task, head", "our seeds", *VERDICTS]), rows)


def hours(found: Sequence[Record]) -> dict[str, float]:
    """Hours of one core that the recorded runs took, in the papers' protocol, by head."""
    every = {
        head: [record for name in NAMES for record in runs_of(found, as_released(name, head))]
        for head in HEADS
    }
    return {head: sum(r.duration_s for r in own) / 3600 for head, own in every.items()}
