"""Scale invariance as measurements: what changes when inputs and prototypes are multiplied.

A function that checks a proposition returns how far it is from true: rounding where it holds,
and something far larger for a distance or a loss that it does not speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.distances import DISTANCES, Distance, DistanceSpec, distance
from harmonic_lib.harmax import harmax, harmonic_logits
from harmonic_lib.measure.axioms import Pairwise

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss as a function of the inputs and the prototypes."""

SCALES = tuple(2.0**k for k in range(-6, 7))
"""Multiplying by a power of two rounds nothing."""


def vectors(inputs: int, prototypes: int, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs (N, D) and prototypes (K, D), independent standard normal entries in float64."""
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(inputs + prototypes, dim, dtype=torch.float64, generator=generator)
    return both[:inputs], both[inputs:]


def every_form(dim: int, seed: int) -> list[tuple[DistanceSpec, Distance]]:
    """Each form of each distance, in evaluation and float64; what it learns is random."""
    generator, built = torch.Generator().manual_seed(seed), []
    for family in DISTANCES.values():
        for form in family.every_form():
            needs: dict[str, object] = {"dim": dim} if form.learns else {}
            one = distance(form.name, **needs, **form.options).double().eval()
            with torch.no_grad():
                for parameter in one.parameters():
                    parameter.normal_(std=0.3, generator=generator)
            built.append((form, one))
    return built


def name_of(form: DistanceSpec) -> str:
    """``canberra, robust``; the name alone of a distance that has one form."""
    return f"{form.name.replace('_', '-')}, {form.form}" if form.form else form.name


class SameNoise:
    """A distance in training whose noise is the same in every call."""

    def __init__(self, of: Distance, seed: int) -> None:
        self.of, self.seed = of.train(), seed

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)  # the distance has no generator of its own
            d: Tensor = self.of(x, w)
        return d


def skewed(x: Tensor, w: Tensor) -> Tensor:
    r""":math:`e^{\lVert x \rVert} \lVert x - w \rVert`: not symmetric, not homogeneous."""
    lengths: Tensor = x.norm(dim=-1, keepdim=True)
    return torch.cdist(x, w) * lengths.exp()


@torch.no_grad()
def change(
    d: Pairwise,
    x: Tensor,
    w: Tensor,
    exponent: float,
    of_x: float | Tensor = 1.0,
    of_w: float | Tensor = 1.0,
) -> float:
    """The largest change of a HarMax probability when x and w are multiplied.

    ``of_w`` of shape (K, 1) gives each prototype a factor of its own.
    """
    before, after = harmax(d(x, w), exponent), harmax(d(of_x * x, of_w * w), exponent)
    return float((after - before).abs().max())


class Degree(NamedTuple):
    """A fitted degree, and the largest error of log d(ax, aw) by it; NaN where none is fitted."""

    value: float
    deviation: float


@torch.no_grad()
def log_factors(d: Pairwise, x: Tensor, w: Tensor, scales: Iterable[float] = SCALES) -> Tensor:
    """log d(ax, aw) − log d(x, w) for each a: (A, N, K).

    NaN where both distances are 0, infinite where one is.
    """
    at_one = d(x, w).log()
    return torch.stack([d(a * x, a * w).log() - at_one for a in scales])


def degree(d: Pairwise, x: Tensor, w: Tensor, scales: Sequence[float] = SCALES) -> Degree:
    """The h of d(ax, aw) = a^h d(x, w), by least squares in logarithms, and how well it fits.

    Pairs at distance 0 whatever a say nothing; one at 0 for some a only fits no degree.
    """
    factors = log_factors(d, x, w, scales).flatten(1)
    factors = factors[:, ~factors.isnan().all(0)]
    if factors.numel() == 0:
        return Degree(math.nan, math.nan)
    if not factors.isfinite().all():
        return Degree(math.nan, math.inf)
    log_a = torch.tensor(scales, dtype=factors.dtype).log()
    value = (log_a @ factors.mean(1)) / log_a.square().sum()
    return Degree(float(value), float((factors - value * log_a[:, None]).abs().max()))


class Spread(NamedTuple):
    """How far log d(ax, aw) − log d(x, w) differs: for one x, and for all."""

    over_prototypes: float
    over_pairs: float


def spread(d: Pairwise, x: Tensor, w: Tensor, scales: Sequence[float] = SCALES) -> Spread:
    """Does the factor of d(ax, aw) depend on w, and does it depend on x?"""
    factors = log_factors(d, x, w, scales)
    most, least = (
        factors.nan_to_num(s, posinf=math.inf, neginf=-math.inf) for s in (-math.inf, math.inf)
    )

    def widest(dims: tuple[int, ...]) -> float:
        width = most.amax(dims) - least.amin(dims)
        return float(width.nan_to_num(0.0, posinf=math.inf, neginf=0.0).max())

    return Spread(widest((2,)), widest((1, 2)))


def converse(d: Pairwise, points: Tensor, scales: Sequence[float] = SCALES) -> float:
    """By how much the factors among ``points`` differ more than twice as far as for one x.

    0 for a symmetric distance; in particular, a factor that does not depend on w is then the
    same for every x.
    """
    rows, everything = spread(d, points, points, scales)
    return 0.0 if math.isinf(rows) else max(0.0, everything - 2 * rows)


def along_ray(d: Pairwise, x: Tensor, a: float = 2.0) -> float:
    """The largest d(x, ax): 0 for a distance whose HarMax ignores the length of w or of x."""
    with torch.no_grad():
        return float(d(x, a * x).diagonal().max())


@torch.no_grad()
def weights_alone(d: Pairwise, x: Tensor, w: Tensor, exponent: float, a: float) -> float:
    """How far HarMax at (x, aw) is from its limit: uniform for small a < 1, else that of x = 0."""
    p = harmax(d(x, a * w), exponent)
    limit = torch.full_like(p, 1 / len(w)) if a < 1 else harmax(d(0 * x, w), exponent)
    return float((p - limit).abs().max())


def harmonic_loss(d: Pairwise, y: Tensor, exponent: float) -> Loss:
    """The mean of −log p_y."""
    return lambda x, w: F.cross_entropy(harmonic_logits(d(x, w), exponent), y)


def linear_loss(y: Tensor) -> Loss:
    """Cross-entropy of the dot products x·w, without a bias."""
    return lambda x, w: F.cross_entropy(x @ w.mT, y)


def slopes(loss: Loss, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients with respect to x and to w."""
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    of_x, of_w = torch.autograd.grad(loss(x, w), (x, w))
    return of_x, of_w


def slope_mismatch(loss: Loss, x: Tensor, w: Tensor, a: float) -> float:
    """How far the gradients at (ax, aw) are from 1/a of those at (x, w), relative to these."""
    here, there = slopes(loss, x, w), slopes(loss, a * x, a * w)
    return max(
        float((a * v - u).abs().max() / u.abs().max()) for u, v in zip(here, there, strict=True)
    )


def euler(loss: Loss, x: Tensor, w: Tensor) -> float:
    """The slope of the loss along (x, w) itself, relative to the sum of the absolute terms."""
    terms = torch.cat([(v * g).flatten() for v, g in zip((x, w), slopes(loss, x, w), strict=True)])
    return float(terms.sum().abs() / terms.abs().sum())


def radial(loss: Loss, x: Tensor, w: Tensor) -> float:
    """The largest cosine between a prototype and the gradient with respect to it."""
    return float(F.cosine_similarity(w, slopes(loss, x, w)[1], dim=-1).abs().max())


def step_mismatch(loss: Loss, x: Tensor, w: Tensor, lr: float, decay: float) -> float:
    """Relative error of a law for one step of gradient descent with weight decay on x and w.

    The law: the squared length of v = (x, w) becomes (1 − lr decay)² |v|² + lr² |gradient|².
    """
    gradient = torch.cat([g.flatten() for g in slopes(loss, x, w)])
    v = torch.cat([x.flatten(), w.flatten()])
    after = ((1 - lr * decay) * v - lr * gradient).square().sum()
    expected = (1 - lr * decay) ** 2 * v.square().sum() + lr**2 * gradient.square().sum()
    return float((after - expected).abs() / expected)


def length_after(length: float, steps: int, lr: float, decay: float, slope: float) -> float:
    """The length of v = (x, w) after steps of that law, where |gradient| is slope / length."""
    for _ in range(steps):
        length = math.hypot((1 - lr * decay) * length, lr * slope / length)
    return length
