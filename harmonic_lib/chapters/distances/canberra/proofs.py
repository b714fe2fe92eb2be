"""What the chapter on the Canberra distance states, measured.

A check returns the worst violation that it met: 0 or below, up to rounding, where the statement
holds, and more for a distance or a formula that it does not speak of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.measure.axioms import Pairwise, normal, of_pairs


def standard() -> Pairwise:
    """The standard form."""
    return hl.distance("canberra")


def triangle_violation(d: Pairwise, seed: int = 0) -> float:
    """The largest d(a, c) - d(a, b) - d(b, c) over all triples of 60 hard numbers.

    Numbers of both signs and zero, of all sizes from 1e-3 to 1e3, as vectors of one coordinate.
    """
    generator = torch.Generator().manual_seed(seed)
    size = 10 ** (6 * torch.rand(58, dtype=torch.float64, generator=generator) - 3)
    sign = torch.rand(58, dtype=torch.float64, generator=generator).sub(0.5).sign()
    points = torch.cat([size * sign, torch.tensor([0.0, 1.0], dtype=torch.float64)])[:, None]
    table = d(points, points)
    return float((table[:, None] - table[:, :, None] - table[None]).max())


def detour(d: Pairwise, *points: list[float]) -> tuple[float, float]:
    """d(a, c), and the way from a to c by b, for three points a, b, c."""
    a, b, c = (torch.tensor([p], dtype=torch.float64) for p in points)
    return float(d(a, c)), float(d(a, b) + d(b, c))


def unit_violation(d: Pairwise) -> float:
    """How much d changes when every coordinate gets a unit, and a sign, of its own."""
    x, w = normal(40, 12), normal(7, 12, seed=1)
    units = 10 ** normal(12, seed=2) * normal(12, seed=3).sign()
    return float((d(units * x, units * w) - d(x, w)).abs().max())


def tanh_violation(d: Pairwise) -> float:
    """How far d of positive numbers is from tanh of half the distance of their logarithms."""
    x, w = normal(40, 1).mul(3).exp(), normal(40, 1, seed=1).mul(3).exp()
    return float((d(x, w) - ((x.log() - w.log().mT).abs() / 2).tanh()).abs().max())


def identity_violation(power: float = 1.0) -> float:
    """How far the weighted form with this power is from the Bray-Curtis distance ``abs``."""
    x, w = normal(40, 12), normal(7, 12, seed=1)
    weighted = hl.distance("canberra", form="weighted", weight_power=power)
    return float((weighted(x, w) - hl.distance("bray_curtis", form="abs")(x, w)).abs().max())


def slope(x: Tensor, w: Tensor) -> Tensor:
    """The gradient of the standard form in w, for entries that are not zero."""
    agree = (x * w > 0).to(w.dtype)
    return agree * 2 * x.abs() * (w - x).sign() / (x.abs() + w.abs()) ** 2


def silent_share(d: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of the coordinates of all pairs (x, w) that get no gradient in w."""
    total = 0.0
    for prototype in w:
        each = prototype.expand(len(x), -1).clone().requires_grad_()
        (found,) = torch.autograd.grad(of_pairs(d, x, each).sum(), each)
        total += float((found == 0).double().mean())
    return total / len(w)


def frozen_share(start: Tensor, end: Tensor) -> dict[str, float]:
    """The share of the weights that training left exactly as they were, by their first sign."""
    same = (start == end).double()
    return {"negative": float(same[start < 0].mean()), "positive": float(same[start > 0].mean())}


def trained(name: str, steps: int = 30) -> tuple[Tensor, Tensor]:
    """The weights of a head before and after training, (4, 8), on inputs without negatives.

    The first feature is 0 in all of them.
    """
    x, y = normal(60, 8).relu(), torch.arange(60) % 4
    x[:, 0] = 0
    head = hl.HarmonicHead(8, 4, name, exponent=4).double()
    with torch.no_grad():
        head.weight.copy_(normal(4, 8, seed=1))
    start = head.weight.detach().clone()
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(x), y).backward()
        optimiser.step()
    return start, head.weight.detach()


def frozen_violation(name: str = "canberra") -> float:
    """The most that a weight of the wrong sign moved, of a feature that is not always 0."""
    start, end = (weight[:, 1:] for weight in trained(name))
    return float((end - start)[start < 0].abs().max())


def unfed_violation(name: str = "canberra") -> float:
    """The most that a weight of the feature that is always 0 moved, of either sign."""
    start, end = (weight[:, 0] for weight in trained(name))
    return min(float((end - start)[sign * start > 0].abs().max()) for sign in (-1, 1))


def relu_features(images: Tensor, width: int = 256, seed: int = 0) -> Tensor:
    """A layer of random weights (He's deviation), centred inputs, and ReLU: (N, width)."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(width, images.shape[1], generator=generator)
    centred = images - images.mean(0)
    return (centred @ weight.T * math.sqrt(2 / images.shape[1])).relu()


def ones_share(x: Tensor, w: Tensor) -> float:
    """The share of the terms |x - w| / (|x| + |w|) of all pairs that are exactly 1."""
    return float((x[:, None] * w <= 0).double().mean())


def dead_violation(d: Pairwise, share: float = 0.6) -> float:
    """How far zero features are from adding the same number, theirs, to every distance."""
    x, w = normal(40, 50), normal(7, 50, seed=1)
    dead = int(share * 50)
    x[:, :dead] = 0
    return float((d(x, w) - d(x[:, dead:], w[:, dead:]) - dead).abs().max())


def spread_excess(d: Pairwise, share: float = 0.6) -> float:
    """How much more the log-distances spread with zero features than the proposition allows.

    The worst of 40 inputs, each with zeros of its own, as many as come by chance.
    """
    x, w = normal(40, 50), normal(7, 50, seed=1)
    generator = torch.Generator().manual_seed(2)
    x[torch.rand(x.shape, generator=generator) < share] = 0
    spreads = d(x, w).log().std(-1, correction=0)
    excess = [
        float(spread - standard()(one[one != 0][None], w[:, one != 0]).std(correction=0) / m)
        for one, spread, m in zip(x, spreads, (x == 0).sum(-1), strict=True)
    ]
    return max(excess)
