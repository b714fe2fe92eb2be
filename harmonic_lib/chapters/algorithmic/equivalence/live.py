"""Equivalence modulo 5: what its chapter trains, and what it says of it.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import seeds
from harmonic_lib.chapters.algorithmic.equivalence.geometry import (
    SCORES,
    TASK,
    classes,
    gap_over_scatter,
    noise,
    scores,
    unevenness,
)
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.scatter import within_variance_share
from harmonic_lib.models.tokens import TokenMLP

SAME, DIFFERENT = 40, 41
"""The two tokens that are answers."""
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algorithmic.SEEDS["quick"]}
EPOCHS = {"smoke": 4, "quick": 300, "full": 1500}
HEADS: dict[str, tuple[str | None, float | None]] = {
    "cross-entropy": (None, None),
    "harmonic, n = 2": ("euclidean", 2.0),
}


def pair(profile: str) -> dict[str, Outcome]:
    """Both heads like for like, over the same seeds and splits.

    Besides what is always measured, their histories have ``same_accuracy``: of the test facts
    whose answer is "same", the share that is answered right.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, EPOCHS)
    configs = {
        name: like_for_like(TASK, distance, exponent, epochs=EPOCHS[profile])
        for name, (distance, exponent) in HEADS.items()
    }
    seeds = SEEDS[profile]
    return {
        name: algorithmic.trained(config, seeds, same_watch(config, seeds))
        for name, config in configs.items()
    }


def same_watch(config: Config, seeds: Sequence[int]) -> Callable[[Ensemble], Mapping[str, Tensor]]:
    """What measures, after each epoch, the accuracy on the test facts that are "same"."""
    facts, (rows, tested) = task(TASK), same_facts(config, seeds)
    x = facts.x[rows].expand(len(seeds), -1, -1)

    def watch(ensemble: Ensemble) -> Mapping[str, Tensor]:
        hits = algorithmic.answers(ensemble, config, x) == SAME
        return {"same_accuracy": (hits & tested).sum(1) / tested.sum(1)}

    return watch


def same_facts(config: Config, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The facts whose answer is "same", (320,), and which are tested on, (S, 320)."""
    facts = task(TASK)
    rows = (facts.y == SAME).nonzero().flatten()
    splits = algorithmic.splits(config, facts, seeds)
    return rows, torch.stack([torch.isin(rows, split.test) for split in splits])


def balanced(outcome: Outcome) -> Tensor:
    """Balanced accuracy on the test facts: the mean of that on both answers, (epochs, S)."""
    config, facts = outcome.config, task(TASK)
    seeds = [each.seed for each in outcome.measurements]
    test = torch.tensor([len(s.test) for s in algorithmic.splits(config, facts, seeds)])
    share = same_facts(config, seeds)[1].sum(1) / test
    every, same = outcome.history["test_accuracy"], outcome.history["same_accuracy"]
    different = (every - share * same) / (1 - share)
    return (same + different) / 2


def tables(outcome: Outcome) -> list[Tensor]:
    """The embeddings of the 40 numbers, (40, D), by seed."""
    shown = task(TASK).shown
    return [algorithmic.embedding_of(member)[shown] for member in outcome.members]


@dataclass(frozen=True)
class Decision:
    """Points around the axis from the prototype of "same" (0) to that of "different" (1).

    Each is (N, 2): the place along the axis and the distance from it, in units of the
    distance between the two. Distances to both prototypes can be read off without a loss.

    same, different: the features of the facts with these answers. numbers: the 40 embeddings.
    apart: the distance between the two prototypes. elsewhere: the median probability that is
    given to tokens that are never answers.
    """

    same: Tensor
    different: Tensor
    numbers: Tensor
    apart: float
    elsewhere: float

    @property
    def to_answer(self) -> float:
        """The median distance of a feature to its answer's prototype, in the same units."""
        ends = ((self.same, 0.0), (self.different, 1.0))
        return float(torch.cat([reach(points, end) for points, end in ends]).median())

    @property
    def to_number(self) -> float:
        """The least distance of a number's prototype to one of the two answers'."""
        return float(torch.minimum(*(reach(self.numbers, end) for end in (0.0, 1.0))).min())


def reach(points: Tensor, end: float) -> Tensor:
    """The distances of points, given along and off an axis, to a place on it."""
    return torch.hypot(points[:, 0] - end, points[:, 1])


@torch.no_grad()
def decision(member: TokenMLP) -> Decision:
    """Where a network puts its features, on all 1,600 facts, and its prototypes."""
    facts, rows = task(TASK), algorithmic.embedding_of(member).double()
    x, first = member.features(facts.x).double(), rows[SAME]
    axis = rows[DIFFERENT] - first
    apart = axis.norm()

    def places(points: Tensor) -> Tensor:
        along = (points - first) @ axis / apart**2
        off = (points - first - along.unsqueeze(1) * axis).norm(dim=1) / apart
        return torch.stack([along, off], 1)

    same = facts.y == SAME
    elsewhere = member(facts.x).double().softmax(-1)[:, facts.shown].sum(1)
    return Decision(
        places(x[same]),
        places(x[~same]),
        places(rows[facts.shown]),
        float(apart),
        float(elsewhere.median()),
    )


def decisions(outcome: Outcome) -> list[Decision]:
    """That of each member."""
    return [decision(cast(TokenMLP, member)) for member in outcome.members]


def live_table(found: Mapping[str, Outcome]) -> str:
    """The geometry of this page's runs as Markdown: the median (least to most) over seeds."""
    columns = "head | seeds | test accuracy (%) | balanced (%) | EV₂ (%) | EV₄ (%)"
    columns += " | variance within | largest over least gap | least gap over scatter"
    lines = []
    for name, outcome in found.items():
        numbers = tables(outcome)
        shares = [explained_variance(each) for each in numbers]
        lines.append(
            [
                name,
                len(numbers),
                spread(100 * outcome.history["test_accuracy"][-1], 1),
                spread(100 * balanced(outcome)[-1], 1),
                *(spread([100 * float(each[k]) for each in shares]) for k in (1, 3)),
                spread([within_variance_share(each, classes()) for each in numbers], 2),
                spread([unevenness(each) for each in numbers], 1),
                spread([gap_over_scatter(each) for each in numbers], 1),
            ]
        )
    return table(columns, lines)


def score_table(live: Mapping[str, Outcome], draws: int) -> str:
    """The cluster scores as Markdown: medians over random tables and over this page's seeds."""
    every = {f"{draws} random tables": noise(draws)} | {
        name: [algorithmic.embedding_of(member) for member in outcome.members]
        for name, outcome in live.items()
    }
    found = {name: scores(embeddings) for name, embeddings in every.items()}
    columns = " | ".join(["cluster score", *found])
    lines = [
        [step, *(f"{seeds.median(each[step]):.2f}" for each in found.values())] for step in SCORES
    ]
    return table(columns, lines)


def decision_table(found: Mapping[str, Sequence[Decision]]) -> str:
    """The geometry of the answers as Markdown: the median (least to most) over seeds."""
    columns = "head | between the two answers | a feature to its answer"
    columns += " | the nearest number to an answer | probability of all numbers together (%)"
    lines = []
    for name, every in found.items():
        numbers = seeds.median(torch.tensor([each.elsewhere for each in every]))
        lines.append(
            [
                name,
                spread([each.apart for each in every], 2),
                spread([each.to_answer for each in every], 2) + " s",
                spread([each.to_number for each in every], 1) + " s",
                f"{100 * numbers:.2g}",
            ]
        )
    return table(columns, lines)


def spread(values: Sequence[float] | Tensor, digits: int = 0) -> str:
    """The median, with the least and the most."""
    return seeds.spread(torch.as_tensor(values, dtype=torch.float64), digits)
