"""The Manhattan distance and the heads of its name: each statement, measured.

A check returns the worst violation that it met as a number: 0 or below, up to rounding, where
the statement holds, and more for a distance or a head that it does not speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from harmonic_lib.chapters.distances.common.floors import best_probability
from harmonic_lib.measure.axioms import Pairwise, of_pairs


def sign_slope(x: Tensor, w: Tensor) -> Tensor:
    r"""The gradient of :math:`\sum_i |x_i - w_i|` in w: the signs of the differences."""
    return (w - x).sign()


def between_violation(d: Pairwise, dim: int = 64, seed: int = 0) -> float:
    """How far d gets outside of the bounds by Euclid's distance, 1 and sqrt(D) times it."""
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.randn(2, 200, dim, dtype=torch.float64, generator=generator)
    w[:100] *= torch.rand(100, dim, dtype=torch.float64, generator=generator) < 0.05
    x[:100] *= w[:100] != 0  # few coordinates differ
    w[100:] = x[100:] + w[100:].sign()  # all differ by the same
    euclid = (x - w).norm(dim=1)
    ratio = (of_pairs(d, x, w) / euclid)[euclid > 0]
    return float(torch.maximum(1 - ratio, ratio / math.sqrt(dim) - 1).max())


def tie_violation(d: Pairwise, seed: int = 0) -> float:
    """How far points beyond the corners are from equally far from (0, 0) and (g, g)."""
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for g in (0.5, 1.0, 3.0):
        beyond = 5 * torch.rand(500, 2, dtype=torch.float64, generator=generator)
        points = torch.stack([g + beyond[:, 0], -beyond[:, 1]], dim=1)
        ends = torch.tensor([[0.0, 0.0], [g, g]], dtype=torch.float64)
        for x in (points, points.flip(1)):
            near, far = d(x, ends).T
            worst = max(worst, float((near - far).abs().max()))
    return worst


def tied_share(d: Pairwise, ends: Tensor, span: float = 3.0, cells: int = 192) -> float:
    """The share of a square around 0 that is equally far from two points, up to 1e-9.

    At the centres of ``cells`` times ``cells`` cells.
    """
    side = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * 2 * span - span
    square = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
    first, second = d(square, ends.double()).unbind(-1)
    return float(((first - second).abs() < 1e-9).double().mean())


def centre_excess(centre: Callable[[Tensor], Tensor], seed: int = 0) -> float:
    """How much of its sum of Manhattan distances a centre could save by moving, relative.

    Of 41 skewed points in 8 dimensions; tried are small and large moves, of all coordinates
    and of one.
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(41, 8, dtype=torch.float64, generator=generator) ** 4
    place = centre(points)
    moves = torch.randn(4000, 8, dtype=torch.float64, generator=generator)
    moves *= 10 ** (-4 * torch.rand(4000, 1, dtype=torch.float64, generator=generator))
    moves[:2000] *= torch.eye(8, dtype=torch.float64).repeat(250, 1)
    sums = (points - (place + moves)[:, None]).abs().sum((1, 2))
    own = float((points - place).abs().sum())
    return (own - float(sums.min())) / own


def median(points: Tensor) -> Tensor:
    """The coordinate-wise median of points (N, D); the middle of the two where N is even."""
    return points.quantile(0.5, dim=0)


def bound_violation(
    logits: Callable[[Tensor], Tensor], classes: int = 10, span: float = 1.0, seed: int = 0
) -> float:
    """How far a probability gets above :func:`best_probability`, for logits of distances.

    The distances are random, and such as one would wish: one class near and the others far,
    and the other way round.
    """
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(500, classes, dtype=torch.float64, generator=generator).exp()
    wished = torch.ones(2, classes, dtype=torch.float64)
    wished[0, 0], wished[1, 0] = 1e-6, 1e6
    p = logits(torch.cat([random, wished])).softmax(-1)
    return float(p.max()) - best_probability(classes, span)


def fast_similarity(x: Tensor, w: Tensor) -> Tensor:
    r"""``manhattan_fast`` of the language models: :math:`\sigma(x \cdot w / (|x|_1 |w|_1))`.

    Source: released code of Miller-Golub et al. 2026; it adds 1e-8 to the product of lengths.
    """
    lengths = x.abs().sum(-1, keepdim=True) * w.abs().sum(-1)
    return (x @ w.mT / (lengths + 1e-8)).sigmoid()


def intermediate_similarity(dist: Tensor) -> Tensor:
    """``manhattan_intermediate``: 1 / (1 + r), where r = d / d_min.

    Source: released code of Miller-Golub et al. 2026; d_min counts as 1e-8 at least.
    """
    ratio = dist / dist.amin(-1, keepdim=True).clamp_min(1e-8)
    return 1 / (1 + ratio)


def fast_floor(vocabulary: int, floored: bool = False) -> float:
    """The least loss of ``manhattan_fast``, in nats; ``floored``: with its constant 0.01 / V.

    With the constant, the probabilities add up to 1.01, and cross-entropy divides by that.
    """
    p = best_probability(vocabulary, 1.0)
    return -math.log((p + 0.01 / vocabulary) / 1.01) if floored else -math.log(p)


def along(weight: Tensor, start: Tensor, end: Tensor) -> float:
    """How far ``weight`` is along the way from ``start`` to ``end``: 0 at the one, 1 at the other.

    The least-squares coefficient over all entries; what lies beside the way does not count.
    """
    span = end - start
    return float(((weight - start) * span).sum() / span.square().sum())
