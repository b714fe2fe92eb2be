"""Equivalence modulo 5, live and from the records: the runs of its chapter.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic, by_seed
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.scatter import within_over_between, within_variance_share
from harmonic_lib.models.tokens import TokenMLP
from harmonic_lib.propositions.equivalence import bounds

TASK = "equivalence"
CLASSES = 5
SAME, DIFFERENT = 40, 41
"""The two tokens that are answers."""
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algorithmic.SEEDS["quick"]}
EPOCHS = {"smoke": 4, "quick": 300, "full": 1500}
HEADS: dict[str, tuple[str | None, float | None]] = {
    "cross-entropy": (None, None),
    "harmonic, n = 2": ("euclidean", 2.0),
}


def classes() -> Tensor:
    """The class of each number, (40,)."""
    return task(TASK).shown % CLASSES


# --- live -------------------------------------------------------------------------------------


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


# --- geometry ---------------------------------------------------------------------------------


def class_means(numbers: Tensor) -> Tensor:
    """The mean embedding of each class, (5, D), in float64."""
    labels = classes()
    return torch.stack([numbers[labels == c].double().mean(0) for c in range(CLASSES)])


def gap_over_scatter(numbers: Tensor) -> float:
    """The least distance of two class means, over the root mean square distance to one's own."""
    means = class_means(numbers)
    scatter = (numbers.double() - means[classes()]).square().sum(1).mean().sqrt()
    return float(torch.pdist(means).min() / scatter)


def unevenness(numbers: Tensor) -> float:
    """The largest distance of two class means over the least: 1 for a regular simplex."""
    gaps = torch.pdist(class_means(numbers))
    return float(gaps.max() / gaps.min())


def cluster_score(rows: Tensor, labels: Tensor, itself: bool = True, drop: bool = True) -> float:
    """The released cluster score: mean distance within a class over that between classes.

    Args:
        rows: (V, D).
        labels: (V,) integers.
        itself: whether pairs of a row with itself, at distance 0, count as within.
        drop: whether distances within that reach the mean between are dropped as outliers.
    """
    away = torch.cdist(rows.double(), rows.double(), compute_mode="donot_use_mm_for_euclid_dist")
    together = labels.unsqueeze(0) == labels.unsqueeze(1)
    between = away[~together].mean()
    if not itself:
        together = together & ~torch.eye(len(rows), dtype=torch.bool)
    within = away[together]
    return float((within[within < between] if drop else within).mean() / between)


SCORES: dict[str, Callable[[Tensor, Tensor], float]] = {
    "as released": cluster_score,
    "the 40 numbers alone": lambda rows, labels: cluster_score(rows[:40], labels[:40]),
    "… and nothing dropped": lambda rows, labels: cluster_score(rows[:40], labels[:40], drop=False),
    "… and no self-pairs": lambda rows, labels: within_over_between(rows[:40], labels[:40]),
}
"""The released score of the 42 tokens, and each of its steps put right in turn."""


def noise(draws: int) -> list[Tensor]:
    """Embeddings of 42 tokens without any classes: standard normal."""
    seeds = (torch.Generator().manual_seed(seed) for seed in range(draws))
    return [torch.randn(42, algorithmic.WIDTH, generator=each) for each in seeds]


def scores(embeddings: Sequence[Tensor]) -> dict[str, Tensor]:
    """The scores of some (42, D) embeddings, one each; the answers fall into classes 0 and 1."""
    labels = torch.arange(42) % CLASSES
    return {
        name: torch.tensor([score(rows, labels) for rows in embeddings])
        for name, score in SCORES.items()
    }


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


# --- tables -----------------------------------------------------------------------------------


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
        [step, *(f"{by_seed.middle(each[step]):.2f}" for each in found.values())] for step in SCORES
    ]
    return table(columns, lines)


def decision_table(found: Mapping[str, Sequence[Decision]]) -> str:
    """The geometry of the answers as Markdown: the median (least to most) over seeds."""
    columns = "head | between the two answers | a feature to its answer"
    columns += " | the nearest number to an answer | probability of all numbers together (%)"
    lines = []
    for name, every in found.items():
        numbers = by_seed.middle(torch.tensor([each.elsewhere for each in every]))
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
    return by_seed.spread(torch.as_tensor(values, dtype=torch.float64), digits)


def protocols() -> dict[str, Config]:
    """The recorded configurations of the two heads, in both protocols."""
    names = dict(zip(algorithmic.HEADS, HEADS, strict=True))
    found = {
        f"as released, {head}": algorithmic.as_released(TASK, head) for head in algorithmic.HEADS
    }
    return found | {
        f"like for like, {name}": like_for_like(TASK, *algorithmic.HEADS[head])
        for head, name in names.items()
    }


def rows_table(found: Sequence[Record]) -> str:
    """EV_2 and EV_4 of the 40 numbers and of all 42 tokens as Markdown, reported and recorded."""
    columns = "MLP | seeds | EV₂, numbers | EV₂, all tokens | EV₄, numbers | EV₄, all tokens"
    lines: list[list[object]] = []
    metrics = ("ev_2", "ev_2_all_tokens", "ev_4", "ev_4_all_tokens")
    for head in algorithmic.HEADS:
        said = {
            row.metric: row
            for row in reported(algorithmic.NAME)
            if row.claim == f"equivalence-mlp-{head}" and row.statistic == "median"
        }
        cells = [f"{100 * said[name].share:g}" if name in said else "–" for name in metrics]
        lines.append([f"reported, {head}", said["ev_2"].runs, *cells])
    for name, config in protocols().items():
        own = by_seed.runs(found, config)
        if not own:
            lines.append([name, by_seed.NOT_YET, *[""] * 4])
            continue
        cells = [by_seed.spread(100 * by_seed.column(own, metric)) for metric in metrics]
        lines.append([name, len(own), *cells])
    return table(columns, lines)


def simplex_table(found: Sequence[Record]) -> str:
    """Which recorded seeds may be a regular simplex by their EV_2 and EV_4, as Markdown."""
    columns = "MLP | seeds | above 90 % | variance within | EV₂ (%)"
    columns += " | EV₂ of a regular simplex (%) | seeds that may be one"
    lines: list[list[object]] = []
    for name, config in protocols().items():
        own = by_seed.runs(found, config)
        if not own:
            lines.append([name, by_seed.NOT_YET, *[""] * 5])
            continue
        within = by_seed.column(own, "within_variance_share")
        low, high = (100 * edge for edge in band(by_seed.middle(within)))
        accuracy = by_seed.column(own, "test_accuracy")
        lines.append(
            [
                name,
                len(own),
                int((accuracy > 0.9).sum()),
                by_seed.spread(within, 2),
                by_seed.spread(100 * by_seed.column(own, "ev_2")),
                f"{low:.0f} to {high:.0f}",
                sum(may_be_regular(record) for record in own),
            ]
        )
    return table(columns, lines)


def band(within: float, j: int = 2) -> tuple[float, float]:
    """Between which EV_j of five equal classes on a regular simplex lies."""
    return bounds(within, j, CLASSES)


def may_be_regular(record: Record) -> bool:
    """Whether no EV_j of the numbers, j up to 4, is outside what a regular simplex allows."""
    within = record.metrics["within_variance_share"]
    ends = {j: band(within, j) for j in range(1, CLASSES)}
    return all(
        low - 1e-6 <= record.metrics[f"ev_{j}"] <= high + 1e-6 for j, (low, high) in ends.items()
    )


def curves(found: Sequence[Record], live: Mapping[str, Outcome]) -> dict[str, Tensor]:
    """EV_1 to EV_10 of the numbers by head, like for like: recorded if there, else this page's.

    With them, as a run of one seed, tight classes on a regular simplex.
    """
    made: dict[str, Tensor] = {}
    for name, (distance, exponent) in HEADS.items():
        own = by_seed.runs(found, like_for_like(TASK, distance, exponent))
        columns = [by_seed.column(own, f"ev_{k}") for k in range(1, 11)]
        shares = [explained_variance(each)[:10] for each in tables(live[name])]
        label = f"{name} ({f'{len(own)} recorded' if own else f'{len(shares)} of this page'})"
        made[label] = torch.stack(columns, 1) if own else torch.stack(shares)
    ideal = torch.arange(1, 11, dtype=torch.float64) / (CLASSES - 1)
    return made | {"a regular simplex without scatter": ideal.clamp_max(1).unsqueeze(0)}


def told(found: Sequence[Record]) -> list[str]:
    """What the like-for-like records say of the two heads, in sentences; one if there are none."""
    configs = {name: like_for_like(TASK, *form) for name, form in HEADS.items()}
    own = {name: by_seed.runs(found, config) for name, config in configs.items()}
    missing = [name for name, records in own.items() if not records]
    if missing:
        return [f"{' and '.join(missing)}, like for like: {by_seed.NOT_YET}"]
    plain, harmonic = own.values()
    said = []
    for metric, name in (("ev_2", "EV₂"), ("within_variance_share", "the variance within classes")):
        ours, theirs = (by_seed.middle(by_seed.column(r, metric)) for r in (harmonic, plain))
        word = "lower" if ours < theirs else "higher"
        said.append(
            f"{name} is **{word}** with the harmonic head, in the median: "
            f"{100 * ours:.0f} % against {100 * theirs:.0f} %"
        )
    counts = [sum(map(may_be_regular, records)) for records in (harmonic, plain)]
    said.append(
        f"by its explained variances, a regular simplex is possible for {counts[0]} of "
        f"{len(harmonic)} harmonic seeds and for {counts[1]} of {len(plain)} of cross-entropy"
    )
    return said
