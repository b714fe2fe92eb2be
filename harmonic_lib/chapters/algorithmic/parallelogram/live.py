"""Analogies on a grid: what its chapter trains, and what the heads make of one map.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like; one
head more has a bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from harmonic_lib.chapters.algorithmic.common.seeds import spread
from harmonic_lib.chapters.algorithmic.common.snapshots import with_snapshots
from harmonic_lib.chapters.algorithmic.parallelogram.proofs import addition_accuracy, grid, room
from harmonic_lib.chapters.algorithmic.parallelogram.quads import SIDE, TASK, columns
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    Config,
    Outcome,
    embedding_of,
    like_for_like,
)
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import centred, explained_variance, projection
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error, side_error
from harmonic_lib.models.tokens import TokenMLP

SEEDS = algorithmic.SEEDS
EPOCHS = {"smoke": 3, "quick": 60, "full": 300}
FEW = 0.1
"""Of the released 1,000 draws, to train on: 100 facts of 7,225."""
FEW_EPOCHS = {"smoke": 3, "quick": 300, "full": 300}
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
    return {name: Run(*with_snapshots(c, SEEDS[profile])) for name, c in heads(profile).items()}


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
