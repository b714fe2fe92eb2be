"""Where the harmonic loss of fixed data has its minimum, and whether it has one.

The functions that end in ``_violation`` check one statement each. They return by how much the
statement fails where it fails most: zero or less, or rounding, where it holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.finite_minima.far_away import drift_violation, infinity_violation
from harmonic_lib.chapters.theory.finite_minima.problems import (
    CENTRE,
    OFFSET,
    Data,
    collision,
    floor,
    log_probabilities,
    loss,
    search,
    three_classes,
)
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.measure import class_means
from harmonic_lib.measure.axioms import normal


def mirror_violation(
    data: Data, normal_: Tensor, offset: float, exponent: float, distance: str = "euclidean"
) -> float:
    """Two classes on the two sides of normal . x = offset: a sample and its image beat a tie.

    One prototype on a sample and the other on its mirror image is worth less than (N - a) log 2,
    with a samples at that place. Returns the worst excess over all samples.
    """
    x, y = data
    unit, level = normal_ / normal_.norm(), offset / float(normal_.norm())
    found = []
    for place, own in zip(x, y.tolist(), strict=True):
        pair = [place, place - 2 * (place @ unit - level) * unit]
        w = torch.stack(pair if own == 0 else pair[::-1])
        others = int((x != place).any(1).sum())
        found.append(loss(x, w, y, exponent, distance).item() - others * math.log(2))
    return max(found)


def empty_class_violation(
    data: Data, w: Tensor, exponent: float, distance: str | Distance = "euclidean"
) -> float:
    """The prototype of a class without samples always costs, and the less the farther it is.

    With it at t, the excess is positive, and at most the sum of (d_y / (t - length of x))^n.
    """
    x, y = data
    direction = F.normalize(normal(1, x.shape[1]), dim=1)
    without = log_probabilities(x, w, exponent, distance)
    own = as_distance(distance, x.shape[1])(x, w).gather(1, y[:, None])
    found = []
    for t in (10.0, 100.0, 1000.0):
        out = t * float(x.norm(dim=1).max()) * direction
        with_it = log_probabilities(x, torch.cat([w, out]), exponent, distance)
        excess = float((without - with_it[:, : len(w)]).gather(1, y[:, None]).sum())
        least = (out.norm() - x.norm(dim=1, keepdim=True)).clamp_min(1e-300)
        found += [-excess, excess - float((own / least).pow(exponent).sum())]
    return max(found)


def collision_gap(near: float, exponent: float, ratio: float | None = None) -> float:
    """L - N H(Y | X) for :func:`collision`, with the prototypes of classes 0 and 1 close to 0.

    The nearer of them is at ``near``, and their distances have the ``ratio`` d_0 / d_1, by
    default the best, (1/2)^(1/n); prototype 2 is on its sample.
    """
    x, y = collision()
    r = 0.5 ** (1 / exponent) if ratio is None else ratio
    w = torch.tensor([[near], [near / r], [1.0]], dtype=x.dtype)
    return float(loss(x, w, y, exponent)) - floor(x, y)


def collision_violation(exponent: float, ratio: float | None = None) -> float:
    """The gap of :func:`collision_gap` is positive and goes to zero with the distance."""
    gaps = [collision_gap(near, exponent, ratio) for near in (0.1, 0.01, 0.001)]
    bounds = [10 * math.pow(near, exponent) for near in (0.1, 0.01, 0.001)]
    return max(max(-gap, gap - bound) for gap, bound in zip(gaps, bounds, strict=True))


def landscape(copies: int, first: Tensor, second: Tensor, exponent: float = 2.0) -> Tensor:
    """The loss of :func:`tug_of_war` with the two prototypes everywhere: (A,), (B,) -> (A, B)."""

    def ratio(sample: float) -> Tensor:  # log of d_0 / d_1 at a sample
        return (sample - first).abs().log()[:, None] - (sample - second).abs().log()

    half, other = (F.softplus(-exponent * ratio(sample)) for sample in (-1.0, 1.0))
    return copies * F.softplus(exponent * ratio(0.0)) + half + other


def tug_violation(copies: int, points: int = 300) -> float:
    """At n = 2, the loss of :func:`tug_of_war` is everywhere above log 4: log 4 less its least."""
    side = torch.cat([torch.linspace(-5, 5, points, dtype=torch.float64), normal(points) / 100])
    return math.log(4) - float(landscape(copies, side, side + 1e-7).min())


def tie() -> Tensor:
    """The prototypes that :func:`three_classes` draws towards one place: two of them at 0."""
    w = torch.zeros(3, 3, dtype=torch.float64)
    w[2, 0] = CENTRE
    return w


def near_tie(data: Data, far: float) -> float:
    """The loss with the second prototype ``far`` from the tie, along the first axis."""
    x, y = data
    w = tie()
    w[1, 0] = far
    return float(loss(x, w, y, 2.0))


def tie_limit(offset: float = OFFSET) -> float:
    """What the loss goes to as the second prototype goes to the tie: all but class 0 pay."""
    x, y = three_classes(0, offset)
    return float(loss(x, tie(), y, 2.0))


def tie_violation(data: Data, seed: int, points: int = 3_000, searches: int = 2) -> float:
    """The limit at the tie less the lowest loss found: at random around it, and by search."""
    x, y = data
    noise = normal(points, 3, 3, seed=seed)
    size = 10 ** -torch.linspace(0, 2.5, points, dtype=torch.float64).view(-1, 1, 1)
    lowest = float(loss(x, tie() + size * noise, y, 2.0).min())
    for start in tie() + 0.3 * noise[:searches]:
        lowest = min(lowest, search(lambda w: loss(x, w, y, 2.0), start).loss)
    return tie_limit(float(x[-8, 0])) - lowest


def largest_jump(
    data: Data,
    exponent: float,
    distance: str | Distance = "euclidean",
    epsilon: float = 0.0,
    step: float = 1e-6,
) -> float:
    """By how much the loss changes when one of two prototypes on a sample moves by ``step``.

    Each sample in turn has its own prototype and one other on it; the rest are at their class
    means.
    """
    x, y = data
    means = class_means(x, y, int(y.max()) + 1)
    jumps = []
    for own in range(len(means)):
        for other in set(range(len(means))) - {own}:
            w = means.repeat(int((y == own).sum()), 1, 1)
            w[:, own] = w[:, other] = x[y == own]
            tied = loss(x, w, y, exponent, distance, epsilon)
            w[:, other, 0] += step
            jumps.append((loss(x, w, y, exponent, distance, epsilon) - tied).abs().max())
    return float(torch.stack(jumps).max())


def epsilon_violation(
    data: Data,
    classes: int,
    exponent: float,
    epsilon: float,
    distance: str | Distance = "euclidean",
    seed: int = 0,
) -> float:
    """What a minimum of the loss with d^2 + epsilon rests on; the worst of three violations.

    Infinity costs N H(Y) at the least; there is a way on which the loss comes to it from below,
    to first order as :func:`drift` says; and the loss does not jump where prototypes meet on a
    sample. All within about 1e-4 of zero.
    """
    return max(
        infinity_violation(data, classes, exponent, distance, seed, epsilon=epsilon),
        drift_violation(data, exponent, distance, epsilon=epsilon),
        largest_jump(data, exponent, distance, epsilon),
    )


def decayed(
    scale: Tensor, penalty: float, classes: int = 3, exponent: float = 2.0, epsilon: float = 0.0
) -> Tensor:
    r"""The loss plus a penalty on squared lengths, where inputs are learnt too: (S,) -> (S,).

    Input and prototype of each class are ``scale`` times one unit vector, the classes at right
    angles; :math:`d^2 + \epsilon` stands for the squared distance.
    """
    between = (epsilon / (2 * scale.square() + epsilon)).pow(exponent / 2)
    return classes * (torch.log1p((classes - 1) * between) + 2 * penalty * scale.square())


def decay_violation(penalty: float, epsilon: float = 0.0) -> float:
    """With a penalty, smaller is better at every scale and the infimum is 0."""
    values = decayed(torch.logspace(1, -8, 200, dtype=torch.float64), penalty, epsilon=epsilon)
    return max(float(values.diff().max()), float(values[-1]) - 1e-12)


def runaway_violation(
    x: Tensor, distance: str | Distance, far: float = 1e12, seed: int = 0
) -> float:
    """A prototype at infinity is as far from every input as one at zero, where this is 0."""
    measure = as_distance(distance, x.shape[1])
    out = far * normal(5, x.shape[1], seed=seed)
    return float((measure(x, out) - measure(x, torch.zeros_like(out[:1]))).abs().max())


def separate_scale_violation(
    data: Data, w: Tensor, exponent: float, distance: str | Distance
) -> float:
    """By how much the loss changes when each prototype is multiplied by a factor of its own."""
    x, y = data
    factors = normal(len(w), 1).exp()
    ours = loss(x, w, y, exponent, distance)
    return float((loss(x, factors * w, y, exponent, distance) - ours).abs())


def scale_violation(data: Data, w: Tensor, exponent: float, distance: str | Distance) -> float:
    """By how much the loss changes when inputs and prototypes are multiplied by one factor."""
    x, y = data
    ours = loss(x, w, y, exponent, distance)
    return max(
        abs(loss(a * x, a * w, y, exponent, distance) - ours).item() for a in (1e-3, 0.5, 7.0, 1e3)
    )


def alone_violation(
    data: Data, w: Tensor, exponent: float, distance: str | Distance = "euclidean"
) -> float:
    r"""Prototypes scaled alone: the loss goes to N log K for factors to 0, and for factors to
    infinity to :math:`-\sum_c N_c \log q_c` with :math:`q_c \propto \lVert w_c \rVert^{-n}`.
    """
    x, y = data
    lengths = as_distance(distance, x.shape[1])(torch.zeros_like(x[:1]), w)
    shares = hl.harmonic_logits(lengths, exponent).log_softmax(-1)[0]
    ends = {1e-10: len(y) * math.log(len(w)), 1e10: -float(shares[y].sum())}
    return max(abs(loss(x, a * w, y, exponent, distance).item() - end) for a, end in ends.items())


def midpoint_excess(function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> float:
    """f((a + b) / 2) - (f(a) + f(b)) / 2: positive somewhere, so f is not convex."""
    return float(function((a + b) / 2) - (function(a) + function(b)) / 2)


def pulls(x: Tensor, w: Tensor, y: Tensor, exponent: float) -> Tensor:
    """How strongly each sample pulls at each prototype (Euclid), divided by n: (K, N).

    (1 - p) / d^2 for a sample of the class, -p / d^2 for any other.
    """
    p = log_probabilities(x, w, exponent).exp()
    squared = (x[:, None] - w).square().sum(-1)
    return ((F.one_hot(y, len(w)) - p) / squared).T


def affine_weights(pull: Tensor) -> Tensor:
    """The pulls of all samples at each prototype over their sum: rows that sum to 1."""
    return pull / pull.sum(1, keepdim=True)


def curvature(x: Tensor, w: Tensor, y: Tensor, exponent: float, step: float = 1e-5) -> float:
    """The least eigenvalue of the Hessian of the loss (Euclid), by differences of the gradient."""

    def slope(flat: Tensor) -> Tensor:
        at = flat.view_as(w).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x, at, y, exponent), at)
        return gradient.flatten()

    moves = step * torch.eye(w.numel(), dtype=w.dtype)
    rows = [(slope(w.flatten() + e) - slope(w.flatten() - e)) / (2 * step) for e in moves]
    hessian = torch.stack(rows)
    return float(torch.linalg.eigvalsh((hessian + hessian.T) / 2)[0])


def published_pulls(x: Tensor, w: Tensor) -> Tensor:
    """The weights of the published proof: 1 / d^2, of every sample and for every class: (K, N)."""
    squared: Tensor = (x[:, None] - w).square().sum(-1)
    return 1 / squared.T


def stationarity_violation(x: Tensor, w: Tensor, pull: Tensor) -> float:
    """How far the prototypes are from the affine combinations of the samples by these pulls."""
    return float((affine_weights(pull) @ x - w).norm(dim=1).max())
