"""Equal classes at the corners of a simplex: what measures of an embedding must say of them.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds. A ``Measure`` that is broken, or other ``Corners``, must be caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.scatter import within_variance_share

Corners = Callable[[int, int, int], Tensor]
"""From k, D and a seed to the k centres of classes, (k, D)."""
Measure = Callable[[Tensor], Tensor]
"""From a table to its cumulative shares of variance."""
Bounds = Callable[[float, int, int], tuple[float, float]]
"""From the share within classes, j and k to the least and the largest EV_j."""


def simplex(k: int, dim: int = 16, seed: int = 0) -> Tensor:
    """The corners of a regular simplex of edge sqrt(2), (k, D), turned and moved at random.

    Raises:
        ValueError: k corners are more than ``dim``.
    """
    if k > dim:
        raise ValueError(f"{k} corners that are drawn by {k} unit vectors need D >= {k}, got {dim}")
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(dim, dim + 1, dtype=torch.float64, generator=generator)
    corners: Tensor = torch.linalg.qr(square[:, :dim]).Q[:, :k].T
    return corners + square[:, dim]


def ladder(k: int, dim: int = 16, seed: int = 0) -> Tensor:
    """k points on a line of random direction, sqrt(2) from one to the next, (k, D)."""
    direction = simplex(2, dim, seed)
    step = direction[1] - direction[0]
    return direction[0] + torch.arange(k, dtype=torch.float64).unsqueeze(1) * step


def clusters(centres: Tensor, size: int, scatter: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``size`` rows around each of k centres, (k · size, D), and the class of each row.

    The mean of a class is its centre, exactly. scatter: (D,) lengths by coordinate.
    """
    k, dim = centres.shape
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(k, size, dim, dtype=torch.float64, generator=generator) * scatter
    rows = centres.unsqueeze(1) + noise - noise.mean(1, keepdim=True)
    return rows.flatten(0, 1), torch.arange(k).repeat_interleave(size)


def bounds(within: float, j: int, k: int) -> tuple[float, float]:
    """Between which EV_j of k equal classes on a regular simplex lies, for j < k."""
    between = (1 - within) * j / (k - 1)
    return between, between + within


def tight_violation(ev: Measure = explained_variance, corners: Corners = simplex) -> float:
    """How far EV_j of k classes that are points is from j / (k - 1), at worst."""
    worst = 0.0
    for k in range(2, 9):
        table, _ = clusters(corners(k, 16, k), 8, torch.zeros(16), seed=k)
        wanted = torch.arange(1, k, dtype=torch.float64) / (k - 1)
        worst = max(worst, float((ev(table)[: k - 1] - wanted).abs().max()))
    return worst


def band_violation(band: Bounds = bounds, corners: Corners = simplex) -> float:
    """How far EV_j of scattered classes lies outside its bounds, at worst.

    For k from 2 to 8 and scatter of several sizes: in all directions, in one, uneven.
    """
    shapes = (torch.ones(16), torch.eye(16)[3], torch.linspace(0, 1, 16) ** 3)
    worst = 0.0
    for k in range(2, 9):
        for n, shape in enumerate(shapes):
            for size in (0.05, 0.3, 1.0):
                table, labels = clusters(corners(k, 16, k), 8, size * shape, seed=10 * k + n)
                within = within_variance_share(table, labels)
                for j, share in enumerate(explained_variance(table)[: k - 1].tolist(), 1):
                    low, high = band(within, j, k)
                    worst = max(worst, low - share, share - high)
    return worst


def spread(centres: Tensor) -> float:
    """The variance of the centres, for a least gap of one."""
    gap = torch.pdist(centres).min()
    return float((centres - centres.mean(0)).square().sum(1).mean() / gap**2)


def spread_violation(corners: Corners = simplex, line: Corners = ladder, tries: int = 200) -> float:
    """How far the least variances of k centres are from (k - 1) / 2k, and on a line (k² - 1) / 12.

    The difference for the given corners, and by how much random centres fall below.
    """
    worst = 0.0
    for k in range(2, 9):
        space, one = (k - 1) / (2 * k), (k * k - 1) / 12
        worst = max(worst, abs(spread(corners(k, 16, k)) - space))
        worst = max(worst, abs(spread(line(k, 16, k)) - one))
        generator = torch.Generator().manual_seed(k)
        for dim, least in ((16, space), (1, one)):
            for _ in range(tries // 8):
                centres = torch.randn(k, dim, dtype=torch.float64, generator=generator)
                worst = max(worst, least - spread(centres))
    return worst


def expected_share(rows: int, classes: int) -> float:
    """(n - k) / (n - 1): the mean share within k classes that say nothing about n rows."""
    return (rows - classes) / (rows - 1)


def chance_violation(
    formula: Callable[[int, int], float] = expected_share,
    sizes: Sequence[Sequence[int]] = ((2, 2), (3, 2), (4, 1), (2, 2, 1), (2, 2, 2), (3, 1, 1)),
) -> float:
    """How far the formula is from the mean share over *all* labellings with these class sizes."""
    worst = 0.0
    for seed, each in enumerate(sizes):
        generator = torch.Generator().manual_seed(seed)
        table = torch.randn(sum(each), 3, dtype=torch.float64, generator=generator)
        labels = [label for label, size in enumerate(each) for _ in range(size)]
        every = sorted(set(permutations(labels)))
        shares = [within_variance_share(table, torch.tensor(one)) for one in every]
        worst = max(worst, abs(sum(shares) / len(shares) - formula(len(table), len(each))))
    return worst


def least_probability(
    feature: float, answers: float, others: float, classes: int, n: float
) -> float:
    """What the right one of two answers has at least: see :func:`decision_violation`."""
    wrong, rest = feature / (answers - feature), feature / (others - feature)
    return float(1 / (1 + wrong**n + (classes - 2) * rest**n))


def decision_violation(
    formula: Callable[[float, float, float, int, float], float] = least_probability,
    tries: int = 300,
) -> float:
    """How far the harmonic probability of the nearest answer falls below its bound.

    Two answers at a distance s, 40 prototypes at least R >= s from the answer a, and a
    feature nearer than s / 2 to a. The nearest of all must be a: if not, 1 is returned.
    """
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for attempt in range(tries):
        dim = 1 + attempt % 4  # in few dimensions the worst case is met

        arrows = torch.randn(42, dim, dtype=torch.float64, generator=generator)
        arrows = arrows / arrows.norm(dim=1, keepdim=True)
        s, n = 0.2 + float(torch.rand(1, generator=generator)), 1.0 + attempt % 5
        nearest = s * (1 + 3 * float(torch.rand(1, generator=generator)))
        lengths = 1 + torch.rand(40, 1, generator=generator) * (attempt % 2)
        prototypes = torch.cat(
            [torch.zeros(1, dim), s * arrows[:1], nearest * lengths * arrows[1:41]]
        )
        d = 0.499 * s * float(torch.rand(1, generator=generator))
        away = (d * arrows[41] - prototypes).norm(dim=1)
        logits = hl.harmonic_logits(away, n)
        if int(logits.argmax()) != 0:
            return 1.0
        least = formula(d, s, nearest, len(prototypes), n)
        worst = max(worst, least - float(logits.softmax(-1)[0]))
    return worst
