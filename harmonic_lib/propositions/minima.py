"""Where the harmonic loss of fixed data has its minimum, and whether it has one.

The functions that end in ``_violation`` check one statement each. They return by how much the
statement fails where it fails most: zero or less, or rounding, where it holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.measure import class_means
from harmonic_lib.propositions.laws import normal

Data = tuple[Tensor, Tensor]
"""Inputs (N, D) and labels (N,)."""


def loss(
    x: Tensor,
    w: Tensor,
    y: Tensor,
    exponent: float,
    distance: str | Distance = "euclidean",
    epsilon: float = 0.0,
) -> Tensor:
    r"""The harmonic loss :math:`L(W) = -\sum_i \log p_{y_i}(x_i)`, exact at distance zero.

    Prototypes at distance zero from an input share its probability equally; the loss is
    infinite where its own is not among them. With ``epsilon``, d^2 + epsilon takes the place of
    d^2, and no distance is zero. (N, D), (..., K, D), (N,) -> (...).
    """
    log_p = log_probabilities(x, w, exponent, distance, epsilon)
    own = y.view(-1, *[1] * (w.ndim - 1)).expand(*log_p.shape[:-1], 1)
    return 0.0 - log_p.gather(-1, own).squeeze(-1).sum(0)


def log_probabilities(
    x: Tensor,
    w: Tensor,
    exponent: float,
    distance: str | Distance = "euclidean",
    epsilon: float = 0.0,
) -> Tensor:
    """Logarithms of the HarMax probabilities: (N, D), (..., K, D) -> (N, ..., K)."""
    d = as_distance(distance, x.shape[-1])(x, w.flatten(0, -2)).unflatten(-1, w.shape[:-1])
    if epsilon:
        d = (d.square() + epsilon).sqrt()
    on = d == 0
    usual = hl.harmonic_logits(torch.where(on, 1.0, d), exponent).log_softmax(-1)
    if not on.any():
        return usual
    shares = torch.where(on, -on.sum(-1, keepdim=True).to(d.dtype).log(), -math.inf)
    return torch.where(on.any(-1, keepdim=True), shares, usual)


def label_entropy(y: Tensor) -> float:
    """N H(Y): the entropy of the class frequencies, in nats, times the number of samples."""
    counts = y.bincount().double()
    return float(torch.special.entr(counts / counts.sum()).sum() * counts.sum())


def floor(x: Tensor, y: Tensor) -> float:
    """N H(Y | X): the sum, over the places where samples lie, of the label entropy there."""
    _, place = x.unique(dim=0, return_inverse=True)
    return sum(label_entropy(y[place == each]) for each in place.unique())


def tug_of_war(copies: int = 1) -> Data:
    """On a line: class 0 at 0, ``copies`` times, and class 1 at -1 and at 1."""
    x = torch.tensor([[0.0]] * copies + [[-1.0], [1.0]], dtype=torch.float64)
    return x, torch.tensor([0] * copies + [1, 1])


OFFSET = 0.1995774360890414
"""How far class 1 of :func:`three_classes` is from class 0: without a minimum at this one value."""

CENTRE = 1.0982444717521969
"""Where the prototype of class 2 is then best, on the first axis."""


def three_classes(copies: int = 12, offset: float = OFFSET) -> Data:
    """In space, on the first axis and around it: ``copies`` of class 0 at 0, classes 1 and 2."""
    others = [[offset, y, z] for y, z in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))]
    others += [[1.0, y, z] for y, z in ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))]
    x = torch.tensor([[0.0] * 3] * copies + others, dtype=torch.float64)
    return x, torch.tensor([0] * copies + [1] * 4 + [2] * 4)


def collision() -> Data:
    """On a line: class 0 twice and class 1 once at 0, and class 2 at 1."""
    x = torch.tensor([[0.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
    return x, torch.tensor([0, 0, 1, 2])


def noise() -> Data:
    """On a line: at -1, 0 and 1, class 0 twice and class 1 once. The input tells nothing."""
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64).repeat_interleave(3, dim=0)
    return x, torch.tensor([0, 0, 1] * 3)


def blobs(seed: int, spread: float, a_class: int | Sequence[int] = 10) -> Data:
    """In the plane: three normal classes around the corners of a regular triangle."""
    counts = [a_class] * 3 if isinstance(a_class, int) else list(a_class)
    y = torch.arange(3).repeat_interleave(torch.tensor(counts))
    angles = torch.tensor([0.5, 7 / 6, 11 / 6], dtype=torch.float64) * math.pi
    corners = torch.stack([angles.cos(), angles.sin()], dim=1)
    return corners[y] + spread * normal(len(y), 2, seed=seed), y


@dataclass(frozen=True)
class Minimum:
    """The best of several searches.

    weight: (K, D). gradient: the largest entry of the gradient there. losses: where each
    search ended.
    """

    loss: float
    weight: Tensor
    gradient: float
    losses: list[float]


def minimise(objective: Callable[[Tensor], Tensor], starts: Sequence[Tensor]) -> Minimum:
    """Search for the least value of a smooth function from each of the starts, by L-BFGS."""
    ends = [search(objective, start) for start in starts]
    best = min(ends, key=lambda end: end.loss)
    return Minimum(best.loss, best.weight, best.gradient, [end.loss for end in ends])


def search(objective: Callable[[Tensor], Tensor], start: Tensor) -> Minimum:
    """L-BFGS with a line search, until the gradient is as small as rounding allows."""
    w = start.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [w],
        max_iter=400,
        history_size=30,
        tolerance_grad=1e-12,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = objective(w)
        value.backward()
        return value

    optimiser.step(closure)
    value = closure().item()
    assert w.grad is not None
    return Minimum(value, w.detach(), float(w.grad.abs().max()), [value])


def around_means(x: Tensor, y: Tensor, starts: int, seed: int) -> list[Tensor]:
    """Starts for a search: the class means, moved by normal noise that grows from start to start.

    Classes without a sample start around the mean of all.
    """
    means = class_means(x, y, int(y.max()) + 1)
    size = float((x - x.mean(0)).norm(dim=1).mean())
    shape = tuple(means.shape)
    return [
        means + 0.2 * size * (1 + s) * normal(*shape, seed=1000 * seed + s) for s in range(starts)
    ]


# ---- what bounds the loss below, and what it comes to far away ------------------------------


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


# ---- when the minimum is attained, and when it is not ---------------------------------------


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


# ---- where the prototypes are ---------------------------------------------------------------


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
