"""What the chapter "Why not softmax?" proves, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.why_not_softmax import live

FACTORS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
OUTER = torch.tensor(live.POINTS["five points"][:4], dtype=torch.float64)
"""The four outer points, each a class of its own: separable without a bias."""


def linear_loss(weight: Tensor, x: Tensor) -> Tensor:
    """Cross-entropy of a linear layer without a bias; point i is of class i."""
    return F.cross_entropy(x @ weight.T, torch.arange(len(x)))


def margin(weight: Tensor, x: Tensor) -> float:
    """By how much the right logit is ahead of the best other one, at the worst point."""
    logits = x @ weight.T
    right = logits.diagonal()
    others = logits.masked_fill(torch.eye(*logits.shape, dtype=torch.bool), -torch.inf)
    return float((right - others.amax(-1)).min())


def longer_violation(
    weight: Tensor, x: Tensor, bound: Callable[[float, float, int], float] | None = None
) -> float:
    """How far longer weights are from what is proved of them: a smaller loss, and a bound.

    bound: of the factor a, the margin m and the number of classes; (K - 1) exp(-a m) by default.
    """
    bound = bound or (lambda a, m, k: (k - 1) * math.exp(-a * m))
    losses = [float(linear_loss(a * weight, x)) for a in FACTORS]
    m, classes = margin(weight, x), len(weight)
    worst = max(after - before for before, after in pairwise(losses))
    for a, loss in zip(FACTORS, losses, strict=True):
        worst = max(worst, loss - bound(a, m, classes))
    return max(0.0, worst)


def descend(x: Tensor, looks: Sequence[int], seed: int, lr: float = 1.0) -> list[Tensor]:
    """The weights of a linear layer after each of ``looks`` steps of plain gradient descent."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(len(x), x.shape[1], dtype=x.dtype, generator=generator)
    own, seen = torch.eye(len(x), dtype=x.dtype), []
    for step in range(max(looks) + 1):
        if step in looks:
            seen.append(weight.clone())
        weight = weight - lr * ((x @ weight.T).softmax(-1) - own).T @ x / len(x)
    return seen


def angle(first: Tensor, second: Tensor) -> float:
    """The angle between two weight matrices, as vectors, in degrees."""
    cosine = F.cosine_similarity(first.flatten(), second.flatten(), dim=0)
    return float(cosine.clamp(-1, 1).arccos().rad2deg())


def region_disagreement(weight: Tensor, x: Tensor, biased: bool = True) -> float:
    """The share of inputs that the nearest prototype and the linear layer classify differently.

    biased: False leaves out the bias -|w|²/2.
    """
    scores = x @ weight.T
    if biased:
        scores = scores - weight.square().sum(-1) / 2
    nearest = hl.distance("euclidean")(x, weight).argmin(-1)
    return float((scores.argmax(-1) != nearest).double().mean())


def two_prototypes(weight: Tensor, bias: Tensor) -> Tensor:
    """Two prototypes with the border of a linear layer of two classes, 2 apart, (2, D).

    Their middle is the point of the border that is nearest to the origin, by least squares.
    """
    normal = (weight[0] - weight[1]).unsqueeze(0)
    midpoint = torch.linalg.lstsq(
        normal, (bias[1] - bias[0]).reshape(1, 1), driver="gelsd"
    ).solution
    unit = F.normalize(normal, dim=-1)
    return torch.cat([midpoint.T + unit, midpoint.T - unit])


def floor_violation(
    points: Tensor,
    epsilon: float = live.EPSILON,
    formula: Callable[..., float] = live.loss_floor,
) -> float:
    """How far the loss of a head with epsilon, its prototypes on the points, is from the formula.

    Relative to the formula.
    """
    squares = (points.unsqueeze(1) - points).square().sum(-1)
    logits = -live.EXPONENT / 2 * (squares + epsilon).log()
    loss = F.cross_entropy(logits, torch.arange(len(points)))
    return abs(float(loss) / formula(points, epsilon=epsilon) - 1)


def root(value: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a function that only grows or only falls has the value ``target``, by halving."""
    falls = value(low) > value(high)
    for _ in range(200):
        midpoint = (low + high) / 2
        low, high = (low, midpoint) if (value(midpoint) < target) == falls else (midpoint, high)
    return (low + high) / 2
