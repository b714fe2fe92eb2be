"""What the chapter on the Bray-Curtis distance states, measured.

A check returns the worst violation that it met: 0 or below, up to rounding, where the statement
holds, and more for a distance or a formula that it does not speak of.
"""

from __future__ import annotations

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.measure.axioms import Pairwise, normal, opposites, reversal_bound

FORMS = ("standard", "abs", "normalized")


def form(name: str) -> Pairwise:
    """One of the forms, by its name."""
    return hl.distance("bray_curtis", form=name)


def released_distance(name: str) -> Pairwise:
    """The distance within a released layer, with its released eps of 1e-3."""
    layer = released.LAYERS[f"bray_curtis_{name}"]
    return lambda x, w: layer.distance(x, w, layer.eps)


# --- the law it obeys -------------------------------------------------------------------------
def range_excess(d: Pairwise, signed: bool = True) -> float:
    """How far distances get outside of [0, 1], for vectors with or without negative entries."""
    x, w = normal(200, 6), normal(20, 6, seed=1)
    dist = d(x, w) if signed else d(x.abs(), w.abs())
    return max(float(dist.max()) - 1, -float(dist.min()))


def compositions(number: int, dim: int = 8, seed: int = 0) -> Tensor:
    """Vectors of positive numbers that sum to 1."""
    values = normal(number, dim, seed=seed).exp()
    composition: Tensor = values / values.sum(-1, keepdim=True)
    return composition


def half_manhattan_violation(d: Pairwise) -> float:
    """How far d of two compositions is from half their Manhattan distance."""
    p, q = compositions(50), compositions(9, seed=1)
    return float((d(p, q) - torch.cdist(p, q, p=1) / 2).abs().max())


def events_violation(d: Pairwise) -> float:
    """How far d of two compositions is from the largest difference of an event's probability.

    By trying all 256 events of eight outcomes.
    """
    p, q = compositions(30), compositions(9, seed=1)
    bits = torch.arange(256)[:, None] >> torch.arange(8) & 1
    events = bits.double()
    largest = (p @ events.T)[:, None] - q @ events.T
    return float((d(p, q) - largest.amax(-1)).abs().max())


def separate_violation(d: Pairwise) -> float:
    """How much d changes when every vector gets a size, and every coordinate a sign, of its own."""
    x, w = normal(50, 6), normal(9, 6, seed=1)
    by_x = torch.linspace(0.01, 100, 50, dtype=x.dtype).unsqueeze(1) * normal(50, 6, seed=2).sign()
    by_w = torch.linspace(30, 0.1, 9, dtype=x.dtype).unsqueeze(1) * normal(9, 6, seed=3).sign()
    return float((d(x * by_x, w * by_w) - d(x, w)).abs().max())


def joint_violation(d: Pairwise, factor: float) -> float:
    """How much d changes, relative, when both vectors are multiplied by a factor."""
    x, w = normal(50, 6), normal(9, 6, seed=1)
    return float((d(factor * x, factor * w) / d(x, w) - 1).abs().max())


def radial_violation(d: Pairwise) -> float:
    """The largest cosine between a prototype and the gradient of its distances."""
    x, w = normal(20, 6), normal(7, 6, seed=1).requires_grad_()
    (found,) = torch.autograd.grad(d(x, w).square().sum(), w)
    return float(torch.nn.functional.cosine_similarity(found, w.detach()).abs().max())


# --- its gradient -----------------------------------------------------------------------------
def abs_slope(x: Tensor, w: Tensor) -> Tensor:
    """The gradient of the form ``abs`` in w, pair by pair."""
    total = (x.abs() + w.abs()).sum(-1, keepdim=True)
    dist = (x - w).abs().sum(-1, keepdim=True) / total
    slope: Tensor = ((w - x).sign() - dist * w.sign()) / total
    return slope


def standard_slope(x: Tensor, w: Tensor) -> Tensor:
    """The gradient of the form ``standard`` in w, pair by pair."""
    total = (x + w).abs().sum(-1, keepdim=True)
    dist = (x - w).abs().sum(-1, keepdim=True) / total
    slope: Tensor = ((w - x).sign() - dist * (x + w).sign()) / total
    return slope


# --- the released denominator -----------------------------------------------------------------
def zero_sum_violation(d: Pairwise, x: Tensor, w: Tensor, eps: float = 1e-3) -> float:
    """How far d is, relative, from the released distance without x in its denominator.

    That is the Manhattan distance over |sum w| + eps, which counts as 10 eps at least.
    """
    whole = (w.sum(-1).abs() + eps).clamp(min=10 * eps)
    return float((d(x, w) * whole / torch.cdist(x, w, p=1) - 1).abs().max())


def favourite_share(d: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of inputs whose nearest prototype is the most popular one."""
    nearest = d(x, w).argmin(-1)
    return float(nearest.bincount(minlength=len(w)).max()) / len(x)


def disagreement(first: Pairwise, second: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of inputs whose nearest prototype is another one by the second distance."""
    return float((first(x, w).argmin(-1) != second(x, w).argmin(-1)).double().mean())


def order_violation(smaller: Pairwise, larger: Pairwise) -> float:
    """How far ``smaller`` gets above ``larger``, relative, on signed vectors."""
    x, w = normal(200, 24), normal(20, 24, seed=1)
    return float((smaller(x, w) / larger(x, w) - 1).max())


# --- the reversed head ------------------------------------------------------------------------
def reversed_compositions(near: float, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Inputs and prototypes (K, D): all others at ``near``, the own one as far as it can be.

    Vectors of numbers around 1 that all have one sum; K is even.
    """
    x, w = opposites(classes)
    own = near * reversal_bound(classes)
    return 1 + own * (2 * x - 1), 1 + own * (2 * w - 1)
