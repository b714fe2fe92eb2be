"""Grids from analogies: what a flat map, a dot product and two rulers must come to.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from harmonic_lib.data.tasks import parallelogram
from harmonic_lib.measure.embedding import centred, explained_variance
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error, side_error

SIDE = 5
Maps = Callable[[int], Tensor]
"""From a seed to a table (25, D)."""
Score = Callable[[Tensor, Tensor], Tensor]
"""From features (N, D) and a table (V, D) to the logits (N, V)."""


def grid(side: int = SIDE) -> Tensor:
    """Row and column of each point of a square grid, (side², 2)."""
    one = torch.arange(side, dtype=torch.float64)
    return torch.cartesian_prod(one, one)


def flat(seed: int, dim: int = 16) -> Tensor:
    """A random affine image of the 5 x 5 grid, (25, dim), as skew as chance has it."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(3, dim, dtype=torch.float64, generator=generator)
    return steps[0] + grid() @ steps[1:]


def lifted(seed: int = 0) -> Tensor:
    """The grid on a paraboloid in three dimensions: (p, -|p|²/2); the seed is not used."""
    points = grid()
    return torch.cat([points, -points.square().sum(1, keepdim=True) / 2], 1)


def ring(angle: float = 2 * torch.pi / SIDE**2) -> Tensor:
    """Point k at k times an angle on a circle, (25, 2)."""
    angles = angle * torch.arange(SIDE**2, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], 1)


# --- scores -----------------------------------------------------------------------------------
def nearest(features: Tensor, table: Tensor) -> Tensor:
    """Harmonic logits with n = 2; what other n there is does not change their order."""
    return -2 * torch.cdist(features, table, compute_mode="donot_use_mm_for_euclid_dist").log()


def dot(features: Tensor, table: Tensor) -> Tensor:
    """The logits of a linear head without a bias."""
    return features @ table.T


def sums(table: Tensor) -> Tensor:
    """e_b + e_c - e_a of each fact, (7225, D)."""
    a, b, c = table[parallelogram().x].unbind(1)
    return b + c - a


def addition_accuracy(table: Tensor, score: Score = nearest) -> float:
    """The share of all facts that the map answers by itself, by e_b + e_c - e_a."""
    rows = table.detach().double()
    right = score(sums(rows), rows).argmax(1) == parallelogram().y
    return float(right.double().mean())


def room(table: Tensor) -> float:
    """The least distance of two rows, as a multiple of their root mean square from the mean."""
    rows = centred(table)
    return float(torch.pdist(rows).min() / rows.square().sum(1).mean().sqrt())


# --- a flat map -------------------------------------------------------------------------------
def closing_violation(maps: Maps = flat, seeds: int = 10) -> float:
    """How far a flat map is from a parallelogram error of 0 and an EV_2 of 1, at worst."""
    worst = 0.0
    for seed in range(seeds):
        table = maps(seed)
        flatness = abs(float(explained_variance(table)[1]) - 1)
        worst = max(worst, parallelogram_error(table, grid_quads()), flatness)
    return worst


def margin_violation(
    maps: Maps = flat, score: Score = nearest, seeds: int = 4, reach: float = 0.999
) -> float:
    """The share of all facts of a flat map that noise below half of the least gap makes wrong.

    The worst noise: from the answer straight towards the row that is nearest to it, by
    ``reach`` times half of the least distance of any two rows.
    """
    facts, worst = parallelogram(), 0.0
    for seed in range(seeds):
        table = maps(seed)
        away = torch.cdist(table, table).fill_diagonal_(torch.inf)
        towards = table[away.argmin(1)] - table
        noise = reach * away.min() / 2 * towards / towards.norm(dim=1, keepdim=True)
        answers = score(sums(table) + noise[facts.y], table).argmax(1)
        worst = max(worst, float((answers != facts.y).double().mean()))
    return worst


def room_violation(maps: Maps = flat, seeds: int = 200) -> float:
    """By how much some map has more room than 1/2."""
    return max(max(room(maps(seed)) - 0.5, 0.0) for seed in range(seeds))


def rhombic(degrees: float) -> Tensor:
    """The grid with two unit steps at this angle, (25, 2)."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return grid() @ torch.stack([torch.tensor([1.0, 0.0]), torch.stack([angle.cos(), angle.sin()])])


# --- a dot product ----------------------------------------------------------------------------
def hull_violation(maps: Maps = flat, seeds: int = 10, features: int = 2000) -> float:
    """By how much a token other than the four corners ever leads all corners by a dot product.

    Over many random features; 0 where none does.
    """
    corners = [0, SIDE - 1, SIDE * (SIDE - 1), SIDE**2 - 1]
    others = [k for k in range(SIDE**2) if k not in corners]
    worst = 0.0
    for seed in range(seeds):
        table = maps(seed)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(features, table.shape[1], dtype=torch.float64, generator=generator)
        logits = dot(x, table)
        lead = logits[:, others].amax(1) - logits[:, corners].amax(1)
        worst = max(worst, float(lead.max()))
    return worst


def lift_violation(table: Tensor | None = None) -> float:
    """By how much some right answer leads by less than 1/2 on the paraboloid, by a dot product.

    The feature is (p_b + p_c - p_a, 1).
    """
    facts, rows = parallelogram(), lifted() if table is None else table
    features = torch.cat([sums(grid()), torch.ones(len(facts.y), 1, dtype=torch.float64)], 1)
    logits = dot(features, rows)
    right = logits.gather(1, facts.y.unsqueeze(1))
    rivals = logits.scatter(1, facts.y.unsqueeze(1), -torch.inf).amax(1, keepdim=True)
    return max(0.5 - float((right - rivals).min()), 0.0)


# --- what closing says ------------------------------------------------------------------------
def unit_squares(side: int = SIDE) -> Tensor:
    """The squares of neighbours, (Q, 4) as (a, b, c, d) with d = b + c - a."""
    first = [side * row + column for row in range(side - 1) for column in range(side - 1)]
    return torch.tensor([(a, a + 1, a + side, a + side + 1) for a in first])


def sheared(side: int = SIDE) -> Tensor:
    """A slanted parallelogram for each three points in a row on two edges of the grid.

    (0, c), (0, c + 1), (1, c + 1), (1, c + 2), side - 2 of them, and as many for the columns.
    """
    along = [(c, c + 1, side + c + 1, side + c + 2) for c in range(side - 2)]
    down = [tuple(r % side * side + r // side for r in quad) for quad in along]
    return torch.tensor(along + down)


def free_dimensions(quads: Tensor, side: int = SIDE) -> int:
    """How many dimensions the tables (side², 1) have of which all these quads close."""
    equations = torch.zeros(len(quads), side**2, dtype=torch.float64)
    equations.scatter_(1, quads, torch.tensor([1.0, -1, -1, 1]).double().expand(len(quads), 4))
    return side**2 - int(torch.linalg.matrix_rank(equations))


def fewest_violation(quads: Tensor | None = None) -> int:
    """How far from 3 these quads leave the tables free, and from 4 if one is left out.

    None: the unit squares and the slanted ones.
    """
    own = torch.cat([unit_squares(), sheared()]) if quads is None else quads
    fewer = combinations(range(len(own)), len(own) - 1)
    without = [free_dimensions(own[list(kept)]) for kept in fewer]
    return max(abs(free_dimensions(own) - 3), *(abs(free - 4) for free in without))


# --- two rulers -------------------------------------------------------------------------------
def mirrored(quad: Tensor) -> Tensor:
    """The corners a, b, c, d, (4, 2), with d mirrored in the line bc: an antiparallelogram."""
    a, b, c, d = quad
    along = (c - b) / (c - b).norm()
    foot = b + ((d - b) @ along) * along
    return torch.stack([a, b, c, 2 * foot - d])


def ring_violation(
    angle: float = 2 * torch.pi / SIDE**2,
    ruler: Callable[[Tensor, Tensor], float] = side_error,
) -> float:
    """How far the ring is from a side error of 0, an EV_2 of 1 and the closing that is proved.

    ruler: what takes the part of the side error.
    """
    table, quads = ring(angle), grid_quads()
    a, b, c, d = table[quads].unbind(1)
    at = quads.double() * angle / 2
    wanted = 2 * ((at[:, 3] - at[:, 0]).cos() - (at[:, 2] - at[:, 1]).cos()).abs()
    closing = float(((a + d - b - c).norm(dim=1) - wanted).abs().max())
    flatness = abs(float(explained_variance(table)[1]) - 1)
    return max(abs(ruler(table, quads)), flatness, closing)
