"""What bounds the loss below, and where it tends as prototypes go to infinity."""

from __future__ import annotations

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.chapters.theory.finite_minima.problems import Data, floor, label_entropy, loss
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.measure import class_means
from harmonic_lib.measure.axioms import normal


def floor_violation(
    data: Data,
    weights: Tensor,
    exponent: float,
    distance: str | Distance = "euclidean",
    bound: float | None = None,
) -> float:
    """No prototypes have a loss below N H(Y | X): the bound less the least of (S, K, D)."""
    x, y = data
    least = float(loss(x, weights, y, exponent, distance).min())
    return (floor(x, y) if bound is None else bound) - least


def speeds(y: Tensor, exponent: float) -> Tensor:
    """How fast each prototype is to go for the loss to end at N H(Y): frequency^(-1/n)."""
    counts = y.bincount().double()
    return (counts / counts.sum()).pow(-1 / exponent)


def infinity_violation(
    data: Data,
    classes: int,
    exponent: float,
    distance: str | Distance = "euclidean",
    seed: int = 0,
    far: float = 1e9,
    epsilon: float = 0.0,
) -> float:
    """Far away, the loss is N H(Y) at the least, and grows if some prototypes stay behind.

    All prototypes go, with 50 random sets of speeds: no loss below N H(Y); with the
    speeds of :func:`speeds`: exactly N H(Y). Each set of prototypes but all goes: the loss is at
    least n log of the ratio of the distances. Per sample; within about n / far of zero.
    ``epsilon`` is that of :func:`loss`.
    """
    x, y = data
    shape = (classes, x.shape[1])
    limit, found = label_entropy(y), []
    measure = as_distance(distance, x.shape[1])
    origin = torch.zeros_like(x[:1])
    for s in range(50):
        directions = normal(*shape, seed=100 * seed + s)
        lengths = measure(origin, directions).detach().T
        directions = directions / lengths  # of length 1, if it is a norm's distance
        pace = normal(classes, 1, seed=7 + 100 * seed + s).exp()
        away = far * pace * directions
        found.append(limit - loss(x, away, y, exponent, distance, epsilon).item())
    fastest = far * speeds(y, exponent)[:, None] * directions[: int(y.max()) + 1]
    best = loss(x, fastest, y, exponent, distance, epsilon)
    found.append(abs(best.item() - limit))
    near = normal(*shape, seed=seed)
    reach = math.hypot(float(measure(x, near).detach().max()), math.sqrt(epsilon))
    for size in range(1, classes):
        for gone in combinations(range(classes), size):
            w = near.clone()
            w[list(gone)] = far * directions[list(gone)]
            least = exponent * math.log((far - float(measure(x, origin).detach().max())) / reach)
            found.append(least - loss(x, w, y, exponent, distance, epsilon).item())
    return max(found) / len(y)


def drift(x: Tensor, y: Tensor, exponent: float, distance: str | Distance) -> tuple[Tensor, float]:
    r"""The way to infinity on which the loss comes to N H(Y) from below, and how far below.

    Prototype k goes to :math:`t v_k`, with :math:`v_k` along the mean of its class less the mean
    of all, at the speeds of :func:`speeds`; then :math:`L = N H(Y) - c / t + \dots`. Returns
    (K, D) and c. The distance is a norm's, and its gradient in the direction is
    autograd's.
    """
    measure = as_distance(distance, x.shape[1])
    means = class_means(x, y, int(y.max()) + 1)
    towards = means - x.mean(0)
    unit = F.normalize(towards, dim=1)
    unit[towards.norm(dim=1) < 1e-12 * x.norm(dim=1).max()] = F.normalize(
        torch.ones(x.shape[1], dtype=x.dtype), dim=0
    )
    unit.requires_grad_()
    lengths = measure(torch.zeros_like(unit[:1]), unit)
    (gradients,) = torch.autograd.grad(lengths.sum(), unit)
    pace = speeds(y, exponent)
    velocities = unit.detach() / lengths.detach().T * pace[:, None]
    gain = (y.bincount() * (gradients * towards).sum(1) / pace).sum()
    return velocities, exponent * float(gain)


def drift_violation(
    data: Data,
    exponent: float,
    distance: str | Distance = "euclidean",
    far: float = 1e5,
    epsilon: float = 0.0,
) -> float:
    """How far the loss at a distance is from N H(Y) - c / t, as a part of c / t."""
    x, y = data
    velocities, gain = drift(x, y, exponent, distance)
    below = label_entropy(y) - loss(x, far * velocities, y, exponent, distance, epsilon).item()
    return abs(below * far - gain) / max(gain, 1e-12)


def outside_violation(
    data: Data,
    best: float,
    radius: float,
    exponent: float,
    distance: str | Distance = "euclidean",
    seed: int = 0,
    draws: int = 300,
) -> float:
    """No prototypes of which one is farther out than ``radius`` are as good as ``best``.

    Directions are random, and lengths from a tenth of the radius up to a million times it.
    """
    x, y = data
    shape = (int(y.max()) + 1, x.shape[1])
    directions = F.normalize(normal(draws, *shape, seed=2 * seed), dim=-1)
    size = (10 ** (2 * normal(draws, shape[0], 1, seed=2 * seed + 1))).clamp(0.1, 1e6)
    each = torch.arange(draws)
    size[each, each % shape[0]] = size[each, each % shape[0]].clamp_min(1.0)
    return best - float(loss(x, radius * size * directions, y, exponent, distance).min())


def outside(point: Tensor, points: Tensor) -> float:
    """How far a point of the plane or the line is outside the convex hull of others.

    Of every direction in a fine fan: how much farther out the point is than all the others. The
    largest is the distance from the hull, to a few parts in a million; negative inside.
    """
    if points.shape[1] == 1:
        fan = torch.tensor([[1.0], [-1.0]], dtype=points.dtype)
    else:
        angle = torch.linspace(0, 2 * math.pi, 3601, dtype=points.dtype)
        fan = torch.stack([angle.cos(), angle.sin()], dim=1)
    return float((fan @ point - (fan @ points.T).amax(1)).max())
