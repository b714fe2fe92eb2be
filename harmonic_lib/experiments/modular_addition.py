"""Modular addition, live and from the records: the runs of the chapter on grokking.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.checks import check_name
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.experiments.by_seed import (
    NOT_YET,
    Rung,
    epoch_text,
    holds,
    middle,
    paired_counts,
    runs,
)
from harmonic_lib.experiments.film import filmed
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance

TASK = "modular_addition"
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
LADDER: tuple[float | None, ...] = (*algorithmic.EXPONENTS, None)
"""The recorded exponents, and None: cross-entropy."""
EVERY_DISTANCE = algorithmic.EXPONENTS[:5]
"""Those that are recorded with every distance."""


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


# --- live ------------------------------------------------------------------------------------


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
    outcome, tables = filmed(config, (SEED,))
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


# --- frames of an animation ------------------------------------------------------------------


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


# --- from the records ------------------------------------------------------------------------


def of_exponent(exponent: float | None, distance: str = "euclidean") -> Config:
    """The recorded configuration with this exponent; None: cross-entropy."""
    return like_for_like(TASK, None if exponent is None else distance, exponent)


def rungs(found: Sequence[Record], distance: str = "euclidean") -> list[Rung]:
    """The exponents that are recorded, and cross-entropy."""
    every = [(n, runs(found, of_exponent(n, distance))) for n in LADDER]
    return [Rung(n, own) for n, own in every if own]


def by_distance(found: Sequence[Record]) -> dict[str, list[Rung]]:
    """The exponents of every distance, by its name, that are recorded."""
    return {
        distance.replace("_", "–"): [
            row for row in rungs(found, distance) if row.exponent in EVERY_DISTANCE
        ]
        for distance in hl.DISTANCES
    }


def reported_cases(metric: str, names: Mapping[str, str]) -> dict[str, float]:
    """What the paper's case study reports of a metric, as a share, by the names of its claims."""
    return {
        names[row.claim]: row.share
        for row in reported(algorithmic.NAME)
        if row.claim in names and row.metric == metric
    }


def reached(row: Rung, metric: str) -> Tensor:
    """A metric of the seeds that get to 90 % of the test facts, (S,)."""
    return row.column(metric)[~row.test_epoch.isnan()]


def widest(every: Mapping[str, Sequence[Rung]]) -> float:
    """How far EV_2 and the ring score of a seed that gets there are apart, at most."""
    gaps = [
        (reached(row, "ev_2") - reached(row, "ring_score")).abs()
        for rows in every.values()
        for row in rows
    ]
    return float(torch.cat(gaps).max())


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


def circles(found: Sequence[Record]) -> str:
    """How many of some runs have EV_2 of 95 % and more, and how many of those are right, too."""
    if not found:
        return NOT_YET
    flat = [r for r in found if r.metrics["ev_2"] >= 0.95]
    right = [r for r in flat if r.metrics["test_accuracy"] > 0.9]
    return f"{len(flat)} of {len(found)}, {len(right)} of them above 90 % on test facts"


def lessons(found: Sequence[Rung]) -> list[tuple[str, str]]:
    """What is said of the exponent, and whether the recorded seeds bear it out, with numbers."""
    by_n = {each.exponent: each for each in found}
    if any(n not in by_n for n in LADDER):
        return [("the exponents", NOT_YET)]
    one, four, last, entropy = by_n[1.0], by_n[4.0], by_n[32.0], by_n[None]
    heads = [each for each in found if each.exponent is not None]
    top = best(heads)
    delays = [by_n[n].delay for n in (4.0, 8.0, 16.0, 32.0)]
    won, lost, p_value = paired_counts(last.runs, entropy.runs)
    flat = [100 * middle(each.ev_2) for each in (one, four)]

    return [
        (
            f"n = 1 is flatter than n = 4 (EV₂ {flat[0]:.0f} % against {flat[1]:.0f} %) and "
            f"solves less often ({one.of_seeds} seeds against {four.of_seeds})",
            holds(flat[0] > flat[1] and one.solved_share < four.solved_share),
        ),
        (
            f"n = 4 solves with every seed ({four.of_seeds}), not 25 % later than the best, "
            f"n = {top.exponent:g} (epoch {four.generalised:g} against {top.generalised:g}; "
            f"exponents below and above the best one tried: {bracket(heads)})",
            holds(four.solved_share == 1 and four.generalised <= 1.25 * top.generalised),
        ),
        (
            f"the delay grows with n = 4, 8, 16, 32 ({', '.join(f'{d:g}' for d in delays)} epochs)",
            holds(delays == sorted(set(delays))),
        ),
        (
            f"n = 32 is like cross-entropy ({last.of_seeds} and {entropy.of_seeds} seeds solve; "
            f"{won} with n = 32 alone, {lost} with cross-entropy alone, p = {p_value:.1g})",
            holds(p_value >= 0.05),
        ),
    ]


def distance_lessons(found: Sequence[Record]) -> list[tuple[str, str]]:
    """What is said of the nine distances, in the same way."""
    every = by_distance(found)
    if any(len(rows) < len(EVERY_DISTANCE) for rows in every.values()):
        return [("the nine distances", NOT_YET)]
    tops = {name: best(rows) for name, rows in every.items()}
    sure = [name for name, row in tops.items() if row.solved_share == 1]
    never = [name for name, row in tops.items() if row.solved == 0]
    grokking = [name for name in sure if every[name][-1].delay > tops[name].delay]
    soonest = min(tops, key=lambda name: tops[name].generalised)
    exponent, epoch = tops[soonest].exponent, tops[soonest].generalised
    euclid = tops["euclidean"].generalised
    return [
        (
            f"most distances get there with every seed at some exponent ({len(sure)} of "
            f"{len(every)}: {', '.join(sure)}), some never ({', '.join(never) or 'none'})",
            holds(2 * len(sure) > len(every) and len(never) > 0),
        ),
        (
            f"with all of those the delay is longer at the largest exponent than at the best one "
            f"({len(grokking)} of {len(sure)})",
            holds(len(grokking) == len(sure)),
        ),
        (
            f"Euclid is not the soonest (epoch {euclid:g}; {soonest} with n = {exponent:g}: "
            f"{epoch:g})",
            holds(epoch < euclid),
        ),
    ]


# --- tables ----------------------------------------------------------------------------------


def rung_table(rows: Mapping[str, Rung | None]) -> str:
    """Medians by head, as Markdown; None: not recorded yet."""
    columns = (
        "head | seeds | 90 % on training facts | 90 % on test facts | got there "
        "| test accuracy (%) | EV₂ (%) | ring score"
    )
    return table(columns, [(name, *rung_cells(row)) for name, row in rows.items()])


def rung_cells(row: Rung | None) -> list[str]:
    """The cells of one head."""
    if row is None:
        return [NOT_YET, *[""] * 6]
    return [
        f"{len(row.test_epoch)}",
        epoch_text(row.fitted),
        epoch_text(row.generalised),
        f"{row.solved}",
        f"{100 * middle(row.test_accuracy):.0f}",
        f"{100 * middle(row.ev_2):.0f}",
        f"{middle(row.column('ring_score')):.2f}",
    ]


def best(rows: Sequence[Rung]) -> Rung:
    """The exponent with which most seeds get to 90 % of the test facts, and the soonest of those.

    Raises:
        ValueError: no rows.
    """
    return max(rows, key=lambda row: (row.solved_share, -row.generalised))


def bracket(rows: Sequence[Rung]) -> str:
    """Whether exponents on both sides of the :func:`best` one were tried.

    "yes", or which end of those tried it is; "none works" if no seed gets there with any.
    """
    own = best(rows)
    if not own.solved:
        return "none works"
    tried = [row.exponent for row in rows if row.exponent is not None]
    ends = {min(tried): "no, the lowest tried", max(tried): "no, the largest tried"}
    return ends.get(own.exponent or 0.0, "yes")


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


def best_table(found: Sequence[Record]) -> str:
    """Every distance at its :func:`best` exponent, as Markdown, and the delay at the largest."""
    last = EVERY_DISTANCE[-1]
    rows = [
        [name, *(best_cells(every, last) if every else [NOT_YET, *[""] * 8])]
        for name, every in by_distance(found).items()
    ]
    columns = (
        "distance | n | bracketed | got there | right at the end | 90 % on training facts "
        f"| 90 % on test facts | EV₂ (%) | ring score | delay at n = {last:g}"
    )
    return table(columns, rows)


def best_cells(every: Sequence[Rung], last: float) -> list[str]:
    """The cells of one distance; without a best exponent if no seed gets there with any."""
    delay = next((epoch_text(row.delay) for row in every if row.exponent == last), NOT_YET)
    own, seeds = best(every), sum(len(row.runs) for row in every)
    if not own.solved:
        return ["–", bracket(every), f"0 of all {seeds}", *["–"] * 5, delay]
    return [
        f"{own.exponent:g}",
        bracket(every),
        own.of_seeds,
        f"{own.right_at_the_end}",
        epoch_text(own.fitted),
        epoch_text(own.generalised),
        f"{100 * middle(own.ev_2):.0f}",
        f"{middle(own.column('ring_score')):.2f}",
        delay,
    ]


def distance_table(found: Sequence[Record]) -> str:
    """Every distance as Markdown: seeds that got there, medians of accuracy and EV_2."""
    rows = []
    for name, every in by_distance(found).items():
        cells = {
            row.exponent: f"{row.of_seeds}; "
            f"{100 * middle(row.test_accuracy):.0f} / {100 * middle(row.ev_2):.0f}"
            for row in every
        }
        rows.append((name, *(cells.get(n, "–") for n in EVERY_DISTANCE)))
    return table(" | ".join(["distance", *(f"n = {n:g}" for n in EVERY_DISTANCE)]), rows)
