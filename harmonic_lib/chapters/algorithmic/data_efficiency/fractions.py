"""What a train fraction is: facts, leak, steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harmonic_lib.chapters.algorithmic.common.splits import expected_leak
from harmonic_lib.chapters.algorithmic.data_efficiency.proofs import (
    expected_unseen,
)
from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.markdown import table

FRACTIONS = algo.FRACTIONS


@dataclass(frozen=True)
class Counts:
    """A train fraction of a task, in numbers; expected ones where facts are drawn.

    facts: M, in the table. train, test: draws. leak: the share of the test that is seen.
    distinct: different facts trained on. unseen: test draws of facts that are not.
    """

    facts: int
    train: int
    test: int
    leak: float
    distinct: float
    unseen: float


def counts(name: str, fraction: float) -> Counts:
    """Those of :func:`harmonic_lib.data.tasks.released_split`; permutations are not drawn."""
    facts = len(task(name).y)
    draws = facts if name == "permutation" else algo.FACTS
    train = int(fraction * draws)
    test = draws - train
    if name == "permutation":
        return Counts(facts, train, test, 0.0, train, test)
    share = expected_leak(facts, train)
    return Counts(facts, train, test, share, facts * share, expected_unseen(facts, train, test))


def leaks(name: str) -> dict[float, float]:
    """The expected leak by train fraction."""
    return {fraction: counts(name, fraction).leak for fraction in FRACTIONS}


def steps(config: algo.Config) -> int:
    """How many steps of the optimiser a run of drawn facts takes."""
    train = counts(config.task.removesuffix("_as_released"), config.fraction).train
    return config.epochs * math.ceil(train / config.batch_size)


def steps_table(fractions: Sequence[float] = (0.1, 0.4, 0.9)) -> str:
    """Steps of our runs, and of the papers' protocol, by task and fraction, as Markdown."""
    rows = []
    for name in algo.NAMES:
        pairs = [
            (
                config_of(name, "harmonic", fraction),
                algo.as_released(name, "harmonic", fraction=fraction),
            )
            for fraction in fractions
        ]
        cells = [f"{steps(ours):,} of {steps(theirs):,}" for ours, theirs in pairs]
        rows.append([title(name), *cells])
    return table(" | ".join(["task", *(f"{f:g}" for f in fractions)]), rows)


def counts_table(fractions: Sequence[float] = (0.1, 0.4, 0.8, 0.9)) -> str:
    """Different facts, and unseen test draws, by task and fraction, as Markdown."""
    rows = []
    for name in algo.NAMES:
        found = [counts(name, fraction) for fraction in fractions]
        cells = [
            f"{each.distinct:.0f} ({100 * each.distinct / each.facts:.0f} %), {each.unseen:.0f}"
            for each in found
        ]
        rows.append([title(name), f"{found[0].facts:,}", *cells])
    return table(" | ".join(["task", "facts", *(f"{f:g}" for f in fractions)]), rows)


def title(name: str) -> str:
    """
    >>> title("modular_addition")
    'modular addition'
    """
    return name.replace("_", " ")


def config_of(name: str, head: str, fraction: float) -> algo.Config:
    """What is recorded of a head at a train fraction."""
    return algo.like_for_like(name, *algo.HEADS[head], fraction=fraction, drawn=True)
