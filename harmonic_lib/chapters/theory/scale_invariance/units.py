"""Constants that have a unit, and the released layers that contain them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from harmonic_lib import released
from harmonic_lib.chapters.theory.scale_invariance.proofs import SCALES, change
from harmonic_lib.distances import DISTANCES, Distance, distance
from harmonic_lib.harmax import harmax
from harmonic_lib.measure.axioms import Pairwise


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
