"""Scale invariance as measurements: what changes when inputs and prototypes are multiplied.

A function that checks a proposition returns how far it is from true: rounding where it holds,
and something far larger for a distance or a loss that it does not speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib import released
from harmonic_lib.checks import check_name
from harmonic_lib.distances import DISTANCES, Distance, DistanceSpec, distance
from harmonic_lib.harmax import harmax, harmonic_logits
from harmonic_lib.propositions.laws import Pairwise

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss as a function of the inputs and the prototypes."""

SCALES = tuple(2.0**k for k in range(-6, 7))
"""Multiplying by a power of two rounds nothing."""


# --- what is measured -------------------------------------------------------------------------


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


# --- the converse: what an invariant HarMax says of its distance ------------------------------


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


# --- gradients --------------------------------------------------------------------------------


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


# --- the same run at another scale ------------------------------------------------------------

Optimiser = Literal["sgd", "adamw"]


class Settings(NamedTuple):
    """Settings of an optimiser; ``eps`` is Adam's."""

    lr: float
    decay: float = 0.0
    eps: float = 1e-8


def at_scale(optimiser: Optimiser, settings: Settings, a: float) -> Settings:
    """Settings with which (ax, aw) goes through the run of (x, w), a times as large."""
    check_name("optimiser", optimiser, ("sgd", "adamw"))
    step = a**2 if optimiser == "sgd" else a
    return Settings(settings.lr * step, settings.decay / step, settings.eps / a)


class Run(NamedTuple):
    """The prototypes after a run, and the loss before each step and at the end."""

    weight: Tensor
    losses: Tensor


def descend(
    loss: Loss, x: Tensor, w: Tensor, optimiser: Optimiser, settings: Settings, steps: int
) -> Run:
    """Train the prototypes alone, on all inputs at each step; SGD has a momentum of 0.9."""
    check_name("optimiser", optimiser, ("sgd", "adamw"))
    weight = torch.nn.Parameter(w.clone())
    lr, decay, eps = settings
    step: torch.optim.Optimizer
    if optimiser == "sgd":
        step = torch.optim.SGD([weight], lr=lr, weight_decay=decay, momentum=0.9)
    else:
        step = torch.optim.AdamW([weight], lr=lr, weight_decay=decay, eps=eps)
    losses = []
    for _ in range(steps):
        value = loss(x, weight)
        losses.append(value.detach())
        step.zero_grad()
        value.backward()
        step.step()
    with torch.no_grad():
        losses.append(loss(x, weight))
    return Run(weight.detach(), torch.stack(losses))


def paths_apart(
    loss: Loss,
    x: Tensor,
    w: Tensor,
    optimiser: Optimiser,
    settings: Settings,
    a: float,
    adjusted: bool = True,
    steps: int = 50,
) -> float:
    """How far apart the runs of (x, w) and of (ax, aw) end, relative to the way that is gone.

    ``adjusted``: whether the settings of the second are those of :func:`at_scale`.
    """
    here = descend(loss, x, w, optimiser, settings, steps).weight
    used = at_scale(optimiser, settings, a) if adjusted else settings
    there = descend(loss, a * x, a * w, optimiser, used, steps).weight
    return float((there / a - here).norm() / (here - w).norm())


# --- constants that have a unit ---------------------------------------------------------------


def offset(d: Pairwise, eps: float, power: int) -> Pairwise:
    """(d^q + eps)^(1/q), whose HarMax is that of d with eps added to its ``power`` q."""
    return lambda x, w: (d(x, w) ** power + eps) ** (1 / power)


@torch.no_grad()
def eps_as_scale(
    d: Pairwise,
    x: Tensor,
    w: Tensor,
    exponent: float,
    eps: float,
    power: int,
    of_degree: float,
    scales: Iterable[float] = SCALES,
) -> float:
    """How far HarMax at (ax, aw) with eps is from that at (x, w) with eps / a^(qh)."""
    return max(
        float(
            (
                harmax(offset(d, eps, power)(a * x, a * w), exponent)
                - harmax(offset(d, eps / a ** (power * of_degree), power)(x, w), exponent)
            )
            .abs()
            .max()
        )
        for a in scales
    )


class Bound(NamedTuple):
    """The largest change of a probability and of its bound, and by how much any is exceeded."""

    change: float
    bound: float
    excess: float


@torch.no_grad()
def eps_bound(d: Pairwise, x: Tensor, w: Tensor, exponent: float, eps: float, power: int) -> Bound:
    """What eps changes, and the bound tanh(δ/4), δ = (n/q) log(1 + eps / d_min^q), for each x."""
    clean = d(x, w)
    changed = harmax(offset(d, eps, power)(x, w), exponent) - harmax(clean, exponent)
    delta = exponent / power * (eps / clean.amin(-1) ** power).log1p()
    most, bound = changed.abs().amax(-1), (delta / 4).tanh()
    return Bound(float(most.max()), float(bound.max()), float((most - bound).clamp(min=0).max()))


def eps_from_odds(near: float, far: float, odds: float) -> float:
    """The eps that makes (far² + eps) / (near² + eps) equal to ``odds``."""
    return (far**2 - odds * near**2) / (odds - 1)


class WithUnit(NamedTuple):
    """A form with constants, and the distances that it becomes at small and at large scales.

    ``at``: the form with the same constants measured in a-fold units; None: every class alike.
    """

    name: str
    degree: int
    at: Callable[[float], Distance]
    small: Distance | None
    large: Distance


def forms_with_unit() -> list[WithUnit]:
    """The forms that are not homogeneous, each with the constants that are to blame."""
    manhattan, signs = distance("manhattan"), distance("hamming", form="hard", threshold=0.0)

    def bits(form: str) -> Callable[[float], Distance]:
        return lambda a: distance("hamming", form=form, temperature=1 / a, threshold=0.5 / a).eval()

    return [
        WithUnit(
            "chebyshev, smooth",
            1,
            lambda a: distance("chebyshev", smooth=10 * a),
            manhattan,
            distance("chebyshev"),
        ),
        WithUnit(
            "canberra, robust",
            0,
            lambda a: distance("canberra", form="robust", min_denom=0.01 / a),
            manhattan,
            distance("canberra"),
        ),
        WithUnit("hamming, soft", 0, bits("soft"), manhattan, signs),
        WithUnit("hamming, gumbel", 0, bits("gumbel"), manhattan, signs),
        WithUnit("hamming, hard", 0, bits("hard"), None, signs),
    ]


@torch.no_grad()
def unit_mismatch(form: WithUnit, x: Tensor, w: Tensor, scales: Iterable[float] = SCALES) -> float:
    """Largest error of d(ax, aw) = a^h d'(x, w), d' with its constants in a-fold units."""
    return max(
        float(
            (form.at(1.0)(a * x, a * w) - a**form.degree * form.at(a)(x, w)).abs().max()
            / a**form.degree
        )
        for a in scales
    )


@torch.no_grad()
def limit_gap(form: WithUnit, x: Tensor, w: Tensor, exponent: float, a: float) -> float:
    """How far HarMax of the form at (ax, aw) is from that of its limit: small a < 1, large else."""
    limit = form.small if a < 1 else form.large
    p = harmax(form.at(1.0)(a * x, a * w), exponent)
    wanted = torch.full_like(p, 1 / p.shape[-1])
    if limit is not None:
        wanted = harmax(limit(x, w), exponent)
    return float((p - wanted).abs().max())


# --- the released layers ----------------------------------------------------------------------


@torch.no_grad()
def released_change(layer: str, x: Tensor, w: Tensor, a: float, **options: float) -> float:
    """The largest change of a probability of a released layer at (ax, aw)."""

    def p(scale: float) -> Tensor:
        s = released.similarity(layer, scale * x, scale * w, **options)
        return s / s.sum(-1, keepdim=True)

    return float((p(a) - p(1.0)).abs().max())


RELEASED = {
    "Euclid": ("euclidean", ("euclidean",)),
    "Manhattan": ("manhattan", ("manhattan",)),
    "Minkowski": ("minkowski", ("minkowski",)),
    "Chebyshev": ("chebyshev", ("chebyshev_standard", "chebyshev_smooth")),
    "cosine": ("cosine", ("cosine_stable", "cosine_unstable")),
    "Hamming": ("hamming", ("hamming_soft", "hamming_hard")),
    "Canberra": ("canberra", ("canberra_standard", "canberra_robust", "canberra_weighted")),
    "Bray-Curtis": (
        "bray_curtis",
        ("bray_curtis_standard", "bray_curtis_abs", "bray_curtis_normalized"),
    ),
    "Mahalanobis": (
        "mahalanobis",
        ("mahalanobis_standard", "mahalanobis_diagonal", "mahalanobis_cholesky"),
    ),
}
"""By family: our distance, and the released layers with all their options as released."""


def released_changes(
    x: Tensor, w: Tensor, scales: Sequence[float]
) -> dict[str, dict[str, list[float]]]:
    """By family and layer, the change at each scale; ``ours`` is our default form, with n = 1."""
    found: dict[str, dict[str, list[float]]] = {}
    for family, (name, layers) in RELEASED.items():
        needs = {"dim": x.shape[1]} if DISTANCES[name].learns else {}
        own = distance(name, **needs).double()
        curves = {
            layer.removeprefix(name).lstrip("_") or "released": [
                released_change(layer, x, w, a) for a in scales
            ]
            for layer in layers
        }
        curves["ours"] = [change(own, x, w, 1.0, a, a) for a in scales]
        found[family] = curves
    return found
