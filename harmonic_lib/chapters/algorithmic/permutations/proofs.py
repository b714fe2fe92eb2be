"""Cosets of S_4 and what a table of 24 rows can be: what the chapter proves, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.measure.cosets import PERMUTATIONS, PRODUCT, Side, Subgroup, cosets, subgroups
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.scatter import within_variance_share
from harmonic_lib.measure.symmetric_group import ALTERNATING, KLEIN, part_shares, parts

INVERSE = tuple(PRODUCT[g].index(0) for g in range(24))
PRODUCTS = torch.tensor(PRODUCT)
ALONE = torch.arange(24)
"""The finest partition: every permutation in a class of its own."""


# --- cosets -----------------------------------------------------------------------------------
def conjugate(group: Subgroup, g: int) -> Subgroup:
    """g∘H∘g⁻¹."""
    return tuple(sorted(PRODUCT[PRODUCT[g][h]][INVERSE[g]] for h in group))


def is_normal(group: Subgroup) -> bool:
    """Whether g∘H∘g⁻¹ = H for all 24 g."""
    return all(conjugate(group, g) == group for g in range(24))


def normal_violation(normal: Callable[[Subgroup], bool] = is_normal) -> float:
    """For how many of the 30 subgroups a test of being normal and equal cosets disagree."""
    wrong = 0
    for group in subgroups():
        same = torch.equal(cosets(group, "left"), cosets(group, "right"))
        wrong += same != normal(group)
    return float(wrong)


def answers(group: Subgroup, side: Side, first: Tensor, second: Tensor) -> Tensor:
    """In how many cosets of the group g∘h can lie, where only the classes of g and h are known.

    first, second: the (24,) classes of g and of h. (K, L) counts, by these classes.
    """
    of_product = F.one_hot(cosets(group, side)[PRODUCTS]).double()
    g, h = F.one_hot(first).double(), F.one_hot(second).double()
    return (torch.einsum("gk,ghc,hl->klc", g, of_product, h) > 0).sum(2)


def one_sided_violation(side: Side = "left", known: str = "first") -> float:
    """How many cosets too many remain where one factor is known and the other by its coset.

    At worst over the 30 subgroups; known: "first" is g of g∘h, "second" is h.
    """
    worst = 0
    for group in subgroups():
        labels = cosets(group, side)
        classes = (ALONE, labels) if known == "first" else (labels, ALONE)
        worst = max(worst, int(answers(group, side, *classes).max()) - 1)
    return float(worst)


def overlap_rule(group: Subgroup, h: int) -> float:
    """|H| / |H ∩ h∘H∘h⁻¹|: in how many left cosets the products of g∘H and h∘H lie."""
    return len(group) / len(set(group) & set(conjugate(group, h)))


def product_violation(rule: Callable[[Subgroup, int], float] = overlap_rule) -> float:
    """How far a rule is from the number of cosets of products, over all pairs of left cosets."""
    worst = 0.0
    for group in subgroups():
        labels = cosets(group, "left")
        counts = answers(group, "left", labels, labels)
        for h in range(24):
            off = (counts[:, labels[h]] - rule(group, h)).abs().max()
            worst = max(worst, float(off))
    return worst


# --- parts ------------------------------------------------------------------------------------
def parts_violation(spaces: Mapping[str, Tensor] | None = None) -> float:
    """How far some spaces of functions, less constants, are from what is proved of the four.

    Together an orthonormal basis of what is orthogonal to the constants; and each is kept by
    all moves g to k∘g and g to g∘k.
    """
    given = list((parts() if spaces is None else spaces).values())
    every = torch.cat([torch.full((24, 1), 24**-0.5, dtype=torch.float64), *given], 1)
    if every.shape[1] != 24:
        return float("inf")
    worst = float((every.T @ every - torch.eye(24)).abs().max())
    moves = [PRODUCTS[k] for k in range(24)] + [PRODUCTS[:, k] for k in range(24)]
    for columns in given:
        for move in moves:
            moved = columns[move]
            worst = max(worst, float((moved - columns @ (columns.T @ moved)).abs().max()))
    return worst


def cosets_violation(table: Tensor, groups: Sequence[Subgroup] = (ALTERNATING, KLEIN)) -> float:
    """How far 1 less parity, and 1 less parity and pairings, are from the shares within cosets.

    groups: the first for parity alone, the second for both.
    """
    shares = part_shares(table)
    left = (1 - shares["parity"], 1 - shares["parity"] - shares["pairings"])
    return max(
        abs(share - within_variance_share(table, cosets(group, "left")))
        for share, group in zip(left, groups, strict=True)
    )


# --- flatness ---------------------------------------------------------------------------------
def turns() -> Tensor:
    """The 24 rotations of a cube, (24, 3, 3): turns()[g∘h] = turns()[g] @ turns()[h].

    A permutation of four things, as a matrix, keeps the three-dimensional space of sums 0;
    there it is a rotation or, for odd ones, a rotation times -1. The four things are the
    diagonals of the cube.
    """
    matrices = torch.zeros(24, 4, 4, dtype=torch.float64)
    for place, g in enumerate(PERMUTATIONS):
        matrices[place, list(g), range(4)] = 1
    axes = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]).double() / 2
    found = axes @ matrices @ axes.T
    rotations: Tensor = found * torch.linalg.det(found).view(-1, 1, 1)
    return rotations


def crystal() -> Tensor:
    """The (24, 9) table whose row g is the matrix of the rotation g."""
    return turns().flatten(1)


def move_violation(table: Tensor, side: Side = "left") -> float:
    """How far the moves g to k∘g (left) or g∘k (right) are from keeping the distances of rows.

    As a share of the largest distance, at worst over all k and all pairs.
    """
    rows = table.double()
    gaps = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    moves = PRODUCTS if side == "left" else PRODUCTS.T
    off = [(gaps[move][:, move] - gaps).abs().max() for move in moves]
    return float(torch.stack(off).max() / gaps.max())


def crystal_violation(table: Tensor | None = None) -> float:
    """How far a table is from EV_k = k/9, and from distances that all moves keep, at worst."""
    rows = crystal() if table is None else table
    even = torch.arange(1, 10, dtype=torch.float64) / 9
    spread = float((explained_variance(rows)[:9] - even).abs().max())
    return max(spread, move_violation(rows, "left"), move_violation(rows, "right"))


def longest_order(product: Sequence[Sequence[int]] = PRODUCT) -> int:
    """The largest order of an element of a group, by its table of products; 0 is the identity."""
    longest = 1
    for g in range(len(product)):
        power, order = g, 1
        while power:
            power, order = product[power][g], order + 1
        longest = max(longest, order)
    return longest
