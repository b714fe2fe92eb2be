"""Textbook distances and losses, line by line from the formula. For the lab only: they break.

Each distance is a function of two vectors, ``(..., D), (..., D) -> (...)``, that relies on
autograd for its gradient. The chapter on gradient health shows where that goes wrong; the
distances to use are those of :func:`harmonic_lib.distance`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor


def euclidean(x: Tensor, w: Tensor) -> Tensor:
    """The root of the sum of squares."""
    return (x - w).square().sum(-1).sqrt()


def expansion(x: Tensor, w: Tensor) -> Tensor:
    """The same by |x|² + |w|² - 2 x·w, as one matrix product computes it."""
    return (x.square().sum(-1) + w.square().sum(-1) - 2 * (x * w).sum(-1)).sqrt()


def manhattan(x: Tensor, w: Tensor) -> Tensor:
    """The sum of the differences."""
    return (x - w).abs().sum(-1)


def minkowski(x: Tensor, w: Tensor, p: float = 1.5) -> Tensor:
    """The p-th root of the sum of p-th powers."""
    return (x - w).abs().pow(p).sum(-1).pow(1 / p)


def chebyshev(x: Tensor, w: Tensor) -> Tensor:
    """The largest difference."""
    return (x - w).abs().amax(-1)


def chebyshev_smooth(x: Tensor, w: Tensor, smooth: float = 10.0) -> Tensor:
    """The log-mean-exp of the differences."""
    return (smooth * (x - w).abs()).exp().mean(-1).log() / smooth


def cosine(x: Tensor, w: Tensor) -> Tensor:
    """One minus the cosine."""
    lengths: Tensor = x.norm(dim=-1) * w.norm(dim=-1)
    return 1 - (x * w).sum(-1) / lengths


def hamming_soft(x: Tensor, w: Tensor, temperature: float = 1.0, threshold: float = 0.5) -> Tensor:
    """The mean difference of sigmoids."""
    a, b = (((v - threshold) / temperature).sigmoid() for v in (x, w))
    return (a - b).abs().mean(-1)


def hamming_hard(x: Tensor, w: Tensor, temperature: float = 1.0, threshold: float = 0.5) -> Tensor:
    """The share of bits that differ, straight through: ``hard - soft.detach() + soft``."""
    soft = [((v - threshold) / temperature).sigmoid() for v in (x, w)]
    a, b = ((v > 0.5).to(v.dtype) - v.detach() + v for v in soft)
    return (a - b).abs().mean(-1)


def canberra(x: Tensor, w: Tensor) -> Tensor:
    """The sum of relative differences."""
    return ((x - w).abs() / (x.abs() + w.abs())).sum(-1)


def canberra_robust(x: Tensor, w: Tensor, min_denom: float = 1e-2) -> Tensor:
    """The same with denominators that are clamped."""
    return ((x - w).abs() / (x.abs() + w.abs()).clamp_min(min_denom)).sum(-1)


def canberra_weighted(x: Tensor, w: Tensor, weight_power: float = 0.5) -> Tensor:
    """The mean of relative differences, weighted by powers of the sizes."""
    size = x.abs() + w.abs()
    return (size**weight_power * (x - w).abs() / size).sum(-1) / (size**weight_power).sum(-1)


def bray_curtis(x: Tensor, w: Tensor) -> Tensor:
    """The Manhattan length of the difference over that of the sum."""
    return (x - w).abs().sum(-1) / (x + w).abs().sum(-1)


def bray_curtis_abs(x: Tensor, w: Tensor) -> Tensor:
    """The same over the sum of both lengths."""
    return (x - w).abs().sum(-1) / (x.abs() + w.abs()).sum(-1)


def bray_curtis_normalized(x: Tensor, w: Tensor) -> Tensor:
    """The total variation of two compositions."""
    a, b = (v.abs() / v.abs().sum(-1, keepdim=True) for v in (x, w))
    return (a - b).abs().sum(-1) / 2


def mahalanobis(x: Tensor, w: Tensor, precision: Tensor) -> Tensor:
    """The root of the quadratic form of P (D, D)."""
    return ((x - w) @ precision.to(x.dtype) * (x - w)).sum(-1).sqrt()


def log_loss(dist: Tensor, y: Tensor, exponent: float) -> Tensor:
    """-log HarMax in the log domain, without a floor: (N, K), (N) -> a number."""
    return torch.nn.functional.cross_entropy(-exponent * dist.log(), y)


def power_loss(dist: Tensor, y: Tensor, exponent: float) -> Tensor:
    """-log HarMax as its definition has it, by powers of the distances."""
    p = dist**-exponent / (dist**-exponent).sum(-1, keepdim=True)
    return -p.gather(-1, y.unsqueeze(-1)).log().mean()


def clamped(squared: Tensor, eps: float) -> Tensor:
    """A distance that is held away from 0 by a clamp."""
    return squared.clamp_min(eps).sqrt()


def padded(squared: Tensor, eps: float) -> Tensor:
    """A distance that is held away from 0 by adding a constant."""
    return (squared + eps).sqrt()


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "euclidean": euclidean,
    "manhattan": manhattan,
    "minkowski p >= 1": minkowski,
    "minkowski p < 1": partial(minkowski, p=0.5),
    "chebyshev maximum": chebyshev,
    "chebyshev smooth": chebyshev_smooth,
    "cosine": cosine,
    "hamming soft": hamming_soft,
    "hamming hard": hamming_hard,
    "canberra standard": canberra,
    "canberra robust": canberra_robust,
    "canberra weighted": canberra_weighted,
    "bray_curtis standard": bray_curtis,
    "bray_curtis abs": bray_curtis_abs,
    "bray_curtis normalized": bray_curtis_normalized,
    "mahalanobis full": mahalanobis,
    "mahalanobis cholesky": mahalanobis,
    "mahalanobis diagonal": mahalanobis,
}
"""The textbook function of each form of each distance; in evaluation Hamming's ``gumbel`` is
its ``soft``."""
