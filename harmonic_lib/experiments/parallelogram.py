"""Analogies on a grid, live and from the records: what the heads make of one map.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like; one
head more has a bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    Config,
    Outcome,
    as_released,
    embedding_of,
    like_for_like,
)
from harmonic_lib.experiments.by_seed import column, holds, middle, runs, spread
from harmonic_lib.experiments.film import filmed
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import centred, explained_variance, projection
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error, side_error
from harmonic_lib.models.tokens import TokenMLP
from harmonic_lib.propositions.parallelogram import addition_accuracy, grid, room

TASK = "parallelogram"
SEEDS = algorithmic.SEEDS
EPOCHS = {"smoke": 3, "quick": 60, "full": 300}
FEW = 0.1
"""Of the released 1,000 draws, to train on: 100 facts of 7,225."""
FEW_EPOCHS = {"smoke": 3, "quick": 300, "full": 300}
SIDE = 5
#: along the rows to and fro, then along the columns: every line of the grid in one stroke
STROKE = [SIDE * r + (c if r % 2 == 0 else SIDE - 1 - c) for r in range(SIDE) for c in range(SIDE)]
STROKE += [
    SIDE * (SIDE - 1 - r if c % 2 == 0 else r) + c
    for c in reversed(range(SIDE))
    for r in range(SIDE)
][1:]


@dataclass(frozen=True)
class Run:
    """The members that one head gave, and their embeddings after each epoch, (epochs, S, V, D)."""

    outcome: Outcome
    tables: Tensor


# --- live -------------------------------------------------------------------------------------


def heads(profile: str) -> dict[str, Config]:
    """The networks that a page trains, by the names of their heads.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, EPOCHS)
    epochs = EPOCHS[profile]
    plain = like_for_like(TASK, None, epochs=epochs)
    return {
        "cross-entropy": plain,
        "cross-entropy, bias": replace(plain, released=True),
        "harmonic, n = 2": like_for_like(TASK, "euclidean", 2.0, epochs=epochs),
    }


def live(profile: str) -> dict[str, Run]:
    """All of them from the same seeds: equal first weights, splits and orders of the facts."""
    return {name: Run(*filmed(c, SEEDS[profile])) for name, c in heads(profile).items()}


def few(profile: str) -> dict[str, Outcome]:
    """Two of the heads on :data:`FEW` of the draws, from the same seeds as :func:`live`.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, FEW_EPOCHS)
    told = {"cross-entropy": (None, None), "harmonic, n = 2": ("euclidean", 2.0)}
    return {
        name: algorithmic.trained(
            like_for_like(TASK, *head, epochs=FEW_EPOCHS[profile], fraction=FEW, drawn=True),
            SEEDS[profile],
        )
        for name, head in told.items()
    }


def curves(run: Run) -> dict[str, Tensor]:
    """Test accuracy, EV_2 and parallelogram error after each epoch, (epochs, S) each."""
    quads = grid_quads()
    each = [
        [(float(explained_variance(t)[1]), parallelogram_error(t, quads)) for t in tables]
        for tables in run.tables
    ]
    ev_2, error = torch.tensor(each, dtype=torch.float64).unbind(-1)
    return {
        "test accuracy (%)": 100 * run.outcome.history["test_accuracy"],
        "EV$_2$ (%)": 100 * ev_2,
        "parallelogram\nerror": error,
    }


def frames(run: Run, epochs: Sequence[int], member: int = 0) -> tuple[Tensor, list[str]]:
    """A member's embeddings after these epochs, (F, V, D), and a note on each."""
    told = {name: values[:, member].tolist() for name, values in curves(run).items()}
    accuracy, ev_2, error = told.values()
    notes = [
        f"epoch {epoch}: test {accuracy[epoch - 1]:.0f}\N{NO-BREAK SPACE}%, EV₂ "
        f"{ev_2[epoch - 1]:.0f}\N{NO-BREAK SPACE}%, error {error[epoch - 1]:.2f}"
        for epoch in epochs
    ]
    return run.tables[[epoch - 1 for epoch in epochs], member], notes


# --- what a trained network computes ----------------------------------------------------------


@torch.no_grad()
def features_of(member: nn.Module) -> Tensor:
    """What the head sees of each fact, (7225, D), in float64."""
    return cast(TokenMLP, member).features(task(TASK).x).double()


def by_answer(features: Tensor) -> Tensor:
    """The mean feature of the facts with each answer, (25, D)."""
    answers = task(TASK).y
    return torch.stack([features[answers == k].mean(0) for k in range(SIDE**2)])


def linear_share(inputs: Tensor, outputs: Tensor) -> float:
    """R²: the share of the variance of (N, D) outputs that an affine map of (N, k) inputs has."""
    ones = torch.ones(len(inputs), 1, dtype=torch.float64)
    x, y = torch.cat([inputs.double(), ones], 1), outputs.double()
    solution = torch.linalg.lstsq(x, y, driver="gelsd").solution
    rest = (y - x @ solution).square().sum()
    return 1 - float(rest / (y - y.mean(0)).square().sum())


def from_centre() -> Tensor:
    """The squared distance of each point from the grid's middle, (25, 1)."""
    return (grid() - (SIDE - 1) / 2).square().sum(1, keepdim=True)


def third_axis(outcome: Outcome) -> Tensor:
    """Each member's coordinates along the third principal axis, (S, 25), over its spread.

    The spread is the root mean square distance from the mean; the middle of the grid is below
    its corners.
    """
    corners, rows = [0, SIDE - 1, SIDE * (SIDE - 1), SIDE**2 - 1], []
    for member in outcome.members:
        places = centred(embedding_of(member))
        along = projection(places, 3)[:, 2] / places.square().sum(1).mean().sqrt()
        rows.append(along * (along[corners].mean() - along[SIDE**2 // 2]).sign())
    return torch.stack(rows)


def looks(outcome: Outcome) -> dict[str, Tensor]:
    """What each member's map and features are like, (S,) each, by the titles of a table."""
    quads, rows = grid_quads(), []
    for member, measured in zip(outcome.members, outcome.measurements, strict=True):
        places, features = embedding_of(member), features_of(member)
        plane, third = projection(places), projection(places, 3)[:, 2:]
        rows.append(
            {
                "test accuracy (%)": 100 * measured.metrics["test_accuracy"],
                "EV₂ of the embedding (%)": 100 * measured.metrics["ev_2"],
                "EV₂ of the features (%)": 100 * float(explained_variance(features)[1]),
                "parallelogram error": parallelogram_error(places, quads),
                "the same in two axes": parallelogram_error(plane, quads),
                "side error": side_error(places, quads),
                "right by addition (%)": 100 * addition_accuracy(places),
                "the same in two axes (%)": 100 * addition_accuracy(plane),
                "third axis by distance² (%)": 100 * linear_share(from_centre(), third),
                "room": room(places),
            }
        )
    return columns(rows)


def looks_table(found: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Them by head as Markdown, a row a quantity: medians, from the least to the most."""
    titles = list(next(iter(found.values())))
    lines = [
        [title, *(spread(each[title], 0 if "%" in title else 2) for each in found.values())]
        for title in titles
    ]
    return table(" | ".join(["median (least to most)", *found]), lines)


# --- quads that were never trained on ---------------------------------------------------------


def facts_of(quads: Tensor) -> Tensor:
    """The eight questions that one parallelogram answers, (Q, 8, 3), of (Q, 4) corners a b c d.

    Any of its four corners may be asked for, and b and c may change places.
    """
    ask = [(0, 1, 2), (3, 1, 2), (1, 0, 3), (2, 0, 3)]
    return quads[:, [[a, *pair] for a, b, c in ask for pair in ((b, c), (c, b))]]


def known(quads: Tensor, x_train: Tensor) -> Tensor:
    """Whether any of the facts of each quad is among the questions (N, 3) trained on, (Q,)."""
    code = torch.tensor([SIDE**4, SIDE**2, 1])
    return torch.isin(facts_of(quads) @ code, x_train @ code).any(1)


@torch.no_grad()
def held_out(outcome: Outcome) -> dict[str, Tensor]:
    """What each member makes of what it was not told, (S,) each, by the titles of a table.

    Accuracy on the facts trained on, and on all others; the share of the quads of which no fact
    was; the parallelogram error of the others, and of these.
    """
    facts, quads = task(TASK), grid_quads()
    splits = algorithmic.splits(outcome.config, facts, [each.seed for each in outcome.measurements])
    rows = []
    for member, split, measured in zip(outcome.members, splits, outcome.measurements, strict=True):
        right = member(facts.x).argmax(-1) == facts.y
        right[split.train] = False
        new = len(facts.y) - len(split.train.unique())
        told, places = known(quads, facts.x[split.train]), embedding_of(member)
        rows.append(
            {
                "right on facts trained on (%)": 100 * measured.metrics["train_accuracy"],
                "right on new facts (%)": 100 * int(right.sum()) / new,
                "quads never trained on (%)": 100 * float((~told).double().mean()),
                "error of quads trained on": parallelogram_error(places, quads[told]),
                "error of those never trained on": parallelogram_error(places, quads[~told]),
                "EV₂ (%)": 100 * float(explained_variance(places)[1]),
            }
        )
    return columns(rows)


def columns(rows: Sequence[Mapping[str, float]]) -> dict[str, Tensor]:
    """Rows of equal keys as columns in float64."""
    return {key: torch.tensor([row[key] for row in rows], dtype=torch.float64) for key in rows[0]}


# --- from the records -------------------------------------------------------------------------


def lessons(found: Sequence[Record]) -> list[tuple[str, str]]:
    """What is said of the heads, and whether the recorded seeds bear it out, with numbers."""
    told = [*like_for_like_lessons(found), length_lesson(found), released_lesson(found)]
    return [(what, holds(truth)) for what, truth in told]


Lesson = tuple[str, bool | None]
"""A statement, and whether the records bear it out; None: they are not there yet."""


def like_for_like_lessons(found: Sequence[Record]) -> list[Lesson]:
    """Of cross-entropy and the harmonic head at exponents 2 and 4."""
    heads = ((None, None), ("euclidean", 2.0), ("euclidean", 4.0))
    own = [runs(found, like_for_like(TASK, *head)) for head in heads]
    if not all(own):
        return [("the heads like for like", None)]
    right = 100 * float(torch.cat([column(each, "test_accuracy") for each in own]).min())
    plain, *harmonic = (100 * column(each, "ev_2") for each in own)
    least, most = float(torch.cat(harmonic).min()), float(plain.max())
    error = [middle(column(each, "parallelogram_error")) for each in own]
    return [
        (
            f"every seed of every head knows the task (at least {right:.1f} % of the test facts)",
            right > 90,
        ),
        (
            f"every harmonic seed is flatter than any of cross-entropy (EV₂ of at least "
            f"{least:.1f} %, against at most {most:.1f} %)",
            least > most,
        ),
        (
            f"n = 2 closes better than n = 4, and both better than cross-entropy (medians of the "
            f"error: {error[1]:.3f}, {error[2]:.3f}, {error[0]:.3f})",
            error[1] < error[2] < error[0],
        ),
    ]


def length_lesson(found: Sequence[Record]) -> Lesson:
    """Of cross-entropy after our epochs, and after the papers'."""
    short = runs(found, like_for_like(TASK, None))
    long = runs(found, as_released(TASK, "cross-entropy"))
    if not (short and long):
        return "what 7,000 epochs do to cross-entropy", None
    before, after = (100 * middle(column(each, "ev_2")) for each in (short, long))
    said = f"cross-entropy's map is flatter in the papers' protocol (EV₂ {after:.0f} % after "
    said += f"{long[0].config['epochs']} epochs, {before:.0f} % after "
    return said + f"{short[0].config['epochs']} of ours)", after > before


def released_lesson(found: Sequence[Record]) -> Lesson:
    """Of the harmonic head in the papers' protocol."""
    own = runs(found, as_released(TASK, "harmonic"))
    if not own:
        return "every harmonic seed is flat in the papers' protocol", None
    flat = int((column(own, "ev_2") >= 0.95).sum())
    said = "in the papers' protocol every harmonic seed has an EV₂ of 95 % and more"
    return f"{said} ({flat} of {len(own)})", flat == len(own)
