"""Modular addition, from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import harmonic_lib as hl
from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    Rung,
    epoch_text,
    holds,
    median,
    paired_counts,
    runs_of,
)
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, like_for_like
from harmonic_lib.markdown import table

TASK = "modular_addition"
LADDER: tuple[float | None, ...] = (*algorithmic.EXPONENTS, None)
"""The recorded exponents, and None: cross-entropy."""
EVERY_DISTANCE = algorithmic.EXPONENTS[:5]
"""Those that are recorded with every distance."""


def of_exponent(exponent: float | None, distance: str = "euclidean") -> Config:
    """The recorded configuration with this exponent; None: cross-entropy."""
    return like_for_like(TASK, None if exponent is None else distance, exponent)


def rungs(found: Sequence[Record], distance: str = "euclidean") -> list[Rung]:
    """The exponents that are recorded, and cross-entropy."""
    every = [(n, runs_of(found, of_exponent(n, distance))) for n in LADDER]
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
    flat = [100 * median(each.ev_2) for each in (one, four)]

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
        f"{100 * median(row.test_accuracy):.0f}",
        f"{100 * median(row.ev_2):.0f}",
        f"{median(row.column('ring_score')):.2f}",
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
        f"{100 * median(own.ev_2):.0f}",
        f"{median(own.column('ring_score')):.2f}",
        delay,
    ]


def distance_table(found: Sequence[Record]) -> str:
    """Every distance as Markdown: seeds that got there, medians of accuracy and EV_2."""
    rows = []
    for name, every in by_distance(found).items():
        cells = {
            row.exponent: f"{row.of_seeds}; "
            f"{100 * median(row.test_accuracy):.0f} / {100 * median(row.ev_2):.0f}"
            for row in every
        }
        rows.append((name, *(cells.get(n, "–") for n in EVERY_DISTANCE)))
    return table(" | ".join(["distance", *(f"n = {n:g}" for n in EVERY_DISTANCE)]), rows)
