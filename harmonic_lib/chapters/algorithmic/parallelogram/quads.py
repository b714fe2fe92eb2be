"""Quads that were never trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    Outcome,
    embedding_of,
)
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error

TASK = "parallelogram"
SIDE = 5


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
