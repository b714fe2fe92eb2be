"""Whether the embeddings of the 24 permutations of four things cluster by cosets."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement, permutations
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from harmonic_lib.checks import check_name, check_size
from harmonic_lib.measure.embedding import centred
from harmonic_lib.measure.scatter import as_classes, within_variance_share

Subgroup = tuple[int, ...]
"""The places of its elements in :data:`PERMUTATIONS`, ascending."""
Side = Literal["left", "right"]

PERMUTATIONS = tuple(permutations(range(4)))
"""The elements of S_4 in lexicographic order; g takes i to g[i]."""
PLACE = {g: place for place, g in enumerate(PERMUTATIONS)}
PRODUCT = tuple(tuple(PLACE[tuple(g[i] for i in h)] for h in PERMUTATIONS) for g in PERMUTATIONS)
"""``PRODUCT[g][h]`` is g∘h: first h, then g; (g∘h)[i] = g[h[i]]."""
LEAST = 1e-12  # a share of variance below it is rounding


def closure(generators: set[int]) -> Subgroup:
    """The subgroup that these elements generate: in a finite group, all their products."""
    found = generators
    while len(grown := found | {PRODUCT[g][h] for g in found for h in found}) > len(found):
        found = grown
    return tuple(sorted(found))


@cache
def subgroups() -> tuple[Subgroup, ...]:
    """All 30 subgroups of S_4, the small ones first; two elements generate each of them."""
    pairs = combinations_with_replacement(range(24), 2)
    return tuple(sorted({closure({g, h}) for g, h in pairs}, key=lambda group: (len(group), group)))


def cosets(subgroup: Subgroup, side: Side) -> Tensor:
    """The coset of each permutation, (24,) numbers from 0 in the order of their first elements.

    The left coset of g is g∘H, the right one H∘g. The first paper's released code has the
    names the other way round.

    Raises:
        ValueError: not a subgroup, or no such side.
    """
    check_name("side", side, ("left", "right"))
    if subgroup not in subgroups():
        raise ValueError(f"not a subgroup of S_4, by ascending places: {subgroup}")
    first = [
        min(PRODUCT[g][h] if side == "left" else PRODUCT[h][g] for h in subgroup) for g in range(24)
    ]
    numbers: Tensor = torch.tensor(first).unique(return_inverse=True)[1]
    return numbers


@cache
def partitions() -> dict[tuple[Subgroup, Side], Tensor]:
    """The 56 coset partitions of the 28 subgroups that are neither trivial nor all of S_4.

    Of the Klein four-group and of A_4, the two normal ones, both sides are the same.
    """
    sides: tuple[Side, Side] = ("left", "right")
    return {(group, side): cosets(group, side) for group in subgroups()[1:-1] for side in sides}


def coset_scatter(table: Tensor) -> dict[tuple[Subgroup, Side], float]:
    """The within-class share of the variance of each of the 56 partitions, of a (24, D) table.

    See :func:`~harmonic_lib.measure.scatter.within_variance_share`. A small subgroup has many
    cosets and, for that reason alone, a small share: (24 - K) / 23 if K cosets say nothing. So
    the least share is not that of the best partition, which :func:`best_coset_partition` finds.

    Raises:
        ValueError: not a (24, D) table of finite numbers.
    """
    check_rows(table)
    return {key: within_variance_share(table, labels) for key, labels in partitions().items()}


class BestPartition(NamedTuple):
    """The coset partition that fits best, and how often chance does as well."""

    subgroup: Subgroup
    side: Side
    share: float
    p_value: float


def best_coset_partition(table: Tensor, seed: int, draws: int = 999) -> BestPartition:
    r"""The partition of the largest variance ratio, with a p-value for the best of 56.

    The ratio is that of Caliński and Harabasz (1974), of the analysis of variance,
    :math:`\frac{1 - s}{K - 1} \big/ \frac{s}{24 - K}` with the within-class share s of K
    cosets, which allows for K. Of two sides that are the same the left one is named.

    The p-value is that of a permutation test: :math:`(1 + m) / (1 + draws)`, where m of
    ``draws`` random orders of the rows have a best partition, out of all 56 again, of at
    least this ratio. So it accounts for the choice among 56. It is small for any structure
    that cosets explain in part; whether the clusters are tight is what ``share`` says.

    Raises:
        ValueError: not a (24, D) table of finite numbers, rows that are all equal, or
            ``draws`` below 1.
    """
    check_rows(table)
    check_size("draws", draws)
    rows = centred(table)
    inner = rows @ rows.T
    if not inner.trace() > 0:
        raise ValueError("all 24 rows are equal: no partition fits better than another")
    generator = torch.Generator().manual_seed(seed)
    orders = torch.rand(draws, 24, generator=generator).argsort(1)
    orders = torch.cat([torch.arange(24).unsqueeze(0), orders])
    shuffled = inner[orders.unsqueeze(2), orders.unsqueeze(1)] / inner.trace()

    # The sum of squares between classes is the trace of X'PX, P the projection on class means.
    members = [as_classes(table, labels) for labels in partitions().values()]
    onto_means = torch.stack([m / m.sum(0) @ m.T for m in members])
    between = shuffled.flatten(1) @ onto_means.flatten(1).T
    classes = torch.tensor([m.shape[1] for m in members])
    ratio = between / (classes - 1) / ((1 - between).clamp_min(LEAST) / (24 - classes))

    best, where = ratio.max(1)
    subgroup, side = list(partitions())[int(where[0])]
    as_good = best[1:] >= best[0] * (1 - LEAST)
    share = max(0.0, 1 - float(between[0, where[0]]))
    return BestPartition(subgroup, side, share, (1 + int(as_good.sum())) / (1 + draws))


def check_rows(table: Tensor) -> None:
    """Raise ValueError unless the table has one row per permutation."""
    if table.ndim != 2 or len(table) != 24:
        raise ValueError(f"expected a (24, D) table, a row a permutation, got {tuple(table.shape)}")
