"""Modular addition: what the chapter on grokking trains, and its tables.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    Rung,
    sooner,
)
from harmonic_lib.chapters.algorithmic.common.snapshots import with_snapshots
from harmonic_lib.chapters.algorithmic.modular_addition.results import (
    EVERY_DISTANCE,
    TASK,
    best,
    bracket,
    by_distance,
)
from harmonic_lib.checks import check_name
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.statistics.sign_test import sign_test

SEED = 473
"""One of three of the 20 recorded seeds with which cross-entropy generalises in 1,500 epochs."""
SEEDS = {"smoke": (SEED,), "quick": (SEED,), "full": algorithmic.SEEDS["quick"]}
#: at quick, a little longer than the head took with this seed
EPOCHS = {
    "smoke": {"cross-entropy": 4, "ring": 4, "ladder": 3, "others": 3},
    "quick": {"cross-entropy": 820, "ring": 370, "ladder": 250, "others": 165},
    "full": {"cross-entropy": 1500, "ring": 1500, "ladder": 1500, "others": 1500},
}
LIVE = {"smoke": (4.0,), "quick": (4.0,), "full": (1.0, 4.0, 8.0, 16.0, 32.0)}
"""The exponents that a page trains besides 2, which is that of the pair."""
DISTANCES = ("cosine",)


@dataclass(frozen=True)
class Run:
    """One member's training, and its embedding after each epoch, (epochs, V, D)."""

    outcome: Outcome
    tables: Tensor

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured."""
        return self.outcome.measurements[0].metrics

    @property
    def rung(self) -> Rung:
        """The run as a rung of one seed."""
        return Rung(self.outcome.config.exponent, self.outcome.measurements)


def pair(profile: str) -> dict[str, Run]:
    """Cross-entropy and the harmonic head at exponent 2 from one seed, with every embedding.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, EPOCHS)
    epochs = EPOCHS[profile]
    return {
        "cross-entropy": followed(like_for_like(TASK, None, epochs=epochs["cross-entropy"])),
        "harmonic, n = 2": followed(like_for_like(TASK, "euclidean", 2.0, epochs=epochs["ring"])),
    }


def followed(config: Config) -> Run:
    """Train one member and keep its embedding of every epoch."""
    outcome, tables = with_snapshots(config, (SEED,))
    return Run(outcome, tables[:, 0])


def ladder(profile: str) -> list[Outcome]:
    """Other exponents of the Euclidean head, briefly."""
    check_name("profile", profile, EPOCHS)
    epochs = EPOCHS[profile]["ladder"]
    configs = [like_for_like(TASK, "euclidean", n, epochs=epochs) for n in LIVE[profile]]
    return [algorithmic.trained(config, SEEDS[profile]) for config in configs]


def others(profile: str) -> list[Outcome]:
    """Other distances at exponent 4, as briefly."""
    check_name("profile", profile, EPOCHS)
    epochs = EPOCHS[profile]["others"]
    configs = [like_for_like(TASK, distance, 4.0, epochs=epochs) for distance in DISTANCES]
    return [algorithmic.trained(config, SEEDS[profile]) for config in configs]


def frames(run: Run, epochs: Sequence[int]) -> tuple[Tensor, list[str]]:
    """The embeddings after these epochs, (F, V, D), and a note on each.

    After the last epoch of the run, its last embedding stands.
    """
    history, last = run.outcome.history, len(run.tables)
    rows = [min(epoch, last) - 1 for epoch in epochs]
    tables = run.tables[rows]
    notes = []
    for row, places in zip(rows, tables, strict=True):
        train, test = (float(history[f"{part}_accuracy"][row, 0]) for part in ("train", "test"))
        ev_2 = float(explained_variance(places)[1])
        stopped = ", stopped" if row + 1 == last else ""
        notes.append(
            f"epoch {row + 1}{stopped}: train {100 * train:.0f}\N{NO-BREAK SPACE}%, "
            f"test {100 * test:.0f}\N{NO-BREAK SPACE}%, EV₂ {100 * ev_2:.0f}\N{NO-BREAK SPACE}%"
        )
    return tables, notes


def reached(row: Rung, metric: str) -> Tensor:
    """A metric of the seeds that get to 90 % of the test facts, (S,)."""
    return row.column(metric)[~row.test_epoch.isnan()]


def near_text(every: Mapping[str, Sequence[Rung]], limit: float = 0.1) -> str:
    """In how many seeds that get there EV_2 and the ring score are close, and the largest gap."""
    gaps = torch.cat(
        [
            (reached(row, "ev_2") - reached(row, "ring_score")).abs()
            for rows in every.values()
            for row in rows
        ]
    )
    close = int((gaps <= limit).sum())
    return f"within {limit:g} in {close} of {len(gaps)} seeds (at most {float(gaps.max()):.2f})"


def circles_text(every: Mapping[str, Sequence[Rung]], names: Sequence[str], exponent: float) -> str:
    """How many of the seeds that get there with these distances have one frequency, of how many."""
    rows = [row for name in names for row in every[name] if row.exponent == exponent]
    number = torch.cat([reached(row, "ring_frequencies") for row in rows])
    return f"{int((number == 1).sum())} of {len(number)}"


def frequencies_text(every: Mapping[str, Sequence[Rung]]) -> str:
    """How many maps at the :func:`best` exponents have one, two and more frequencies."""
    tops = [best(rows) for rows in every.values() if rows]
    number = torch.cat([reached(row, "ring_frequencies") for row in tops])
    one, two = (int((number == k).sum()) for k in (1, 2))
    return f"{one} have one frequency, {two} two and {len(number) - one - two} more"


def unsettled_text(every: Mapping[str, Sequence[Rung]], alpha: float = 0.05) -> str:
    """Where no exponent tried on one side of the :func:`best` one is clearly later, in words.

    Later by a sign test over the seeds, where one that never gets there counts as late.
    """
    names: dict[str, list[str]] = {"below": [], "above": []}
    for name, rows in every.items():
        own = best(rows)
        if bracket(rows) != "yes":
            continue
        for side, sign in (("below", -1), ("above", 1)):
            beyond = [r for r in rows if sign * (r.exponent or 0) > sign * (own.exponent or 0)]
            pairs = [sooner(own.runs, row.runs) for row in beyond]
            if not any(won > lost and sign_test(won, lost) < alpha for won, lost in pairs):
                names[side].append(name)
    return "; ".join(f"{side}, for {', '.join(own) or 'none'}" for side, own in names.items())


def bracket_text(found: Sequence[Record]) -> str:
    """For which distances the :func:`best` exponent is bracketed by others, in words."""
    every = by_distance(found)
    if any(len(rows) < len(EVERY_DISTANCE) for rows in every.values()):
        return f"The best exponents of the nine distances are {NOT_YET}."
    names: dict[str, list[str]] = {}
    for name, rows in every.items():
        names.setdefault(bracket(rows), []).append(name)
    words = {
        "yes": "Exponents on both sides of the best one were tried for {}.",
        "no, the lowest tried": "For {} it is the lowest that was tried: "
        "a lower one may be better, and the optimum is not bracketed.",
        "no, the largest tried": "For {} it is the largest that was tried: "
        "a larger one may be better, and the optimum is not bracketed.",
        "none works": "No exponent works for {}.",
    }
    return " ".join(words[case].format(", ".join(names[case])) for case in words if case in names)
