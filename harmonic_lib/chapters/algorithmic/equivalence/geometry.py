"""The geometry of classes in an embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic
from harmonic_lib.measure.scatter import within_over_between

TASK = "equivalence"
CLASSES = 5


def classes() -> Tensor:
    """The class of each number, (40,)."""
    return task(TASK).shown % CLASSES


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
