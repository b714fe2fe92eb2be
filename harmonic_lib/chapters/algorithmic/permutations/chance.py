"""How good the best cosets of a random table are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.experiments import algorithmic
from harmonic_lib.measure.cosets import (
    best_coset_partition,
    partitions,
)
from harmonic_lib.measure.embedding import centred
from harmonic_lib.measure.scatter import as_classes
from harmonic_lib.measure.symmetric_group import KLEIN

TABLES = {"smoke": 40, "quick": 400, "full": 2000}
"""How many random tables chance is given."""
DRAWS = 199


@dataclass(frozen=True)
class Chance:
    """What T random tables come to, (T,) each.

    one, best: the silhouette in the plane of one partition, and the largest of all. alone,
    paid: the p-value of the partition chosen, as if it were the only one, and of the choice.
    """

    one: Tensor
    best: Tensor
    alone: Tensor
    paid: Tensor


def random_tables(count: int, seed: int) -> Tensor:
    """(count, 24, D) independent normal numbers, as wide as the embeddings."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 24, algorithmic.WIDTH, generator=generator)


def silhouettes(tables: Tensor) -> Tensor:
    r"""The silhouette of each of the 56 partitions in the first two principal axes, (T, 56).

    The mean over all rows of (b - a) / max(a, b), with the mean distance a to the other rows
    of the own coset and the least mean distance b to the rows of another (Rousseeuw 1987).
    The released code chooses the colours of its pictures by it. tables: (T, 24, D).
    """
    rows = tables.double() - tables.double().mean(1, keepdim=True)
    left, lengths, _ = torch.linalg.svd(rows, full_matrices=False)
    plane = left[:, :, :2] * lengths[:, None, :2]
    gaps = torch.cdist(plane, plane, compute_mode="donot_use_mm_for_euclid_dist")
    found = []
    for labels in partitions().values():
        member = torch.nn.functional.one_hot(labels).double()
        size = member.sum(0)
        total = gaps @ member
        own = (total * member).sum(2) / (size[0] - 1)
        other = (total / size).masked_fill(member.bool(), torch.inf).amin(2)
        found.append(((other - own) / torch.maximum(own, other)).mean(1))
    return torch.stack(found, 1)


def best_by_eye(rows: Tensor) -> tuple[Tensor, float]:
    """The (24,) cosets of the largest of the 56 silhouettes of a (24, D) table, and it."""
    score, place = silhouettes(rows.unsqueeze(0))[0].max(0)
    return list(partitions().values())[int(place)], float(score)


def p_alone(rows: Tensor, labels: Tensor, seed: int, draws: int = DRAWS) -> float:
    """The permutation test of one partition alone: no choice is paid for.

    (1 + m) / (1 + draws), where m of ``draws`` random orders of the rows leave no larger share
    of variance within the classes.
    """
    member = as_classes(rows, labels)
    between = (member / member.sum(0)) @ member.T
    inner = centred(rows) @ centred(rows).T
    generator = torch.Generator().manual_seed(seed)
    orders = torch.rand(draws, 24, generator=generator).argsort(1)
    shuffled = inner[orders.unsqueeze(2), orders.unsqueeze(1)]
    explained = (shuffled * between).sum((1, 2))
    reached = (inner * between).sum() * (1 - 1e-12)
    return (1 + int((explained >= reached).sum())) / (1 + draws)


def chance(profile: str, seed: int) -> Chance:
    """Silhouettes and p-values of random tables; for the p-values half of them will do.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, TABLES)
    tables = random_tables(TABLES[profile], seed)
    every = silhouettes(tables)
    alone, paid = [], []
    for k, rows in enumerate(tables[: len(tables) // 2]):
        best = best_coset_partition(rows, k, DRAWS)
        labels = partitions()[best.subgroup, best.side]
        alone.append(p_alone(rows, labels, k))
        paid.append(best.p_value)
    one = every[:, list(partitions()).index((KLEIN, "left"))]
    return Chance(one, every.amax(1), torch.tensor(alone), torch.tensor(paid))
