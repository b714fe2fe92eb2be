"""What loss and gradient should be, computed with care in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.chapters.distances.gradient_health.cases import EXPONENT, OWN, Case, Pairs
from harmonic_lib.chapters.distances.gradient_health.implementations import (
    released_distance,
    straight_through,
    textbook,
)


def careful(form: str) -> Pairs:
    """The textbook's formula in a way that keeps the digits in float64, and has 0/0 = 0."""
    tiny = 1e-300

    def log_mean_exp(x: Tensor, w: Tensor, smooth: float = 10.0) -> Tensor:
        gap = smooth * (x.unsqueeze(-2) - w).abs()
        most = gap.detach().amax(-1, keepdim=True)
        far = (gap - most).exp().mean(-1).log() + most.squeeze(-1)
        return (
            torch.where(most.squeeze(-1) > 1, far, gap.clamp_max(2).expm1().mean(-1).log1p())
            / smooth
        )

    def bits(x: Tensor, w: Tensor) -> Tensor:
        a, b = x.unsqueeze(-2) - 0.5, w - 0.5
        half = (x.unsqueeze(-2) - w) / 2
        near = half.clamp(-1, 1).sinh() / (
            2 * (a / 2).clamp(-9, 9).cosh() * (b / 2).clamp(-9, 9).cosh()
        )
        small = (half.abs() < 1) & (a.abs() < 18) & (b.abs() < 18)
        return torch.where(small, near, a.sigmoid() - b.sigmoid()).abs().mean(-1)

    def halves(x: Tensor, w: Tensor) -> Tensor:
        a, b = (F.normalize(v, dim=-1, eps=1e-300) for v in (x.unsqueeze(-2), w))
        return (a - b).square().sum(-1) / 2

    def ratios(x: Tensor, w: Tensor, least: float = tiny) -> Tensor:
        x = x.unsqueeze(-2)
        return ((x - w).abs() / (x.abs() + w.abs()).clamp_min(least)).sum(-1)

    def weighted(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        root = (x.abs() + w.abs()).clamp_min(tiny).sqrt()
        return ((x - w).abs() / root).sum(-1) / root.sum(-1)

    def over_sum(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        return (x - w).abs().sum(-1) / (x + w).abs().sum(-1).clamp_min(tiny)

    def over_sizes(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        return (x - w).abs().sum(-1) / (x.abs() + w.abs()).sum(-1).clamp_min(tiny)

    special: dict[str, Pairs] = {
        "chebyshev smooth": log_mean_exp,
        "cosine": halves,
        "hamming soft": bits,
        "canberra standard": ratios,
        "canberra weighted": weighted,
        "bray_curtis standard": over_sum,
        "bray_curtis abs": over_sizes,
        "hamming hard": partial(straight_through, temperature=1.0, threshold=0.5, centre=0.5),
    }
    return special.get(form, textbook(form))


NO_DIRECTION = ("cosine", "bray_curtis normalized")
"""Where a zero vector has no distance by the formula, and counts as 1 away from everything."""


@dataclass(frozen=True)
class Reference:
    """The right loss and gradients; the natural pull; whether x is on its own prototype."""

    loss: float
    of_x: Tensor
    of_w: Tensor
    natural: float
    met: bool

    @property
    def known(self) -> bool:
        """Whether the formula has a number here."""
        return math.isfinite(self.loss) and bool(
            self.of_x.isfinite().all() and self.of_w.isfinite().all()
        )


def reference(d: Pairs, case: Case, exponent: float, no_direction: bool = False) -> Reference:
    """Loss and gradients by a distance in float64.

    Where a distance has no slope, because x = w_k, the slope counts as 0; where a distance is
    0, or infinite, its probability is the limit. ``no_direction``: a zero vector is at 1.
    """
    x, w = (v.double().requires_grad_() for v in (case.x, case.w))
    same = (x == w).all(-1)
    nowhere = ((x == 0).all() | (w == 0).all(-1)) & no_direction
    shift = (same | nowhere).to(x.dtype).unsqueeze(-1)
    away = x + float(no_direction and bool((x == 0).all()))
    at_match = d(x, w).detach()
    distances = torch.where(same, at_match, d(away, w + shift))
    distances = torch.where(nowhere, torch.ones_like(distances), distances)
    z = -exponent * distances.clamp_min(1e-292).log()
    loss = F.cross_entropy(z, OWN)
    if bool(distances[0, 0] > 0) and bool((distances == 0).any()):
        loss = loss + math.inf  # x is at distance 0 from another prototype
    of_x, of_w = torch.autograd.grad(loss, (x, w))
    gaps = (x - w).detach().norm(dim=-1)[~same]
    natural = exponent / float(gaps.min()) if len(gaps) else 0.0
    return Reference(float(loss.detach()), of_x, of_w, natural, bool(same[0]))


def reference_of(layer: bool, form: str, case: Case) -> Reference:
    """What a form is held to: its own formula, or that of the released layer of its name."""
    if layer:
        n = 1.0 if case.exponent is None else case.exponent
        return reference(released_distance(form), case, n)
    n = EXPONENT if case.exponent is None else case.exponent
    return reference(careful(form), case, n, form in NO_DIRECTION)
