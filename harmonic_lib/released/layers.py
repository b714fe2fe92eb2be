"""The distances of the released layers, and the powers of them that they return.

Source: released code of Miller-Golub et al. 2026 (arXiv 2603.10225), its vision layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


# --- the distances: (N, D), (K, D) -> (N, K) --------------------------------------------------
def gaps(x: Tensor, w: Tensor) -> Tensor:
    """|Delta|, of shape (N, K, D)."""
    return (x[:, None] - w).abs()


def sizes(x: Tensor, w: Tensor) -> Tensor:
    """|x| + |w|, of shape (N, K, D)."""
    return x.abs()[:, None] + w.abs()


def squared_euclidean(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """|w|^2 + |x|^2 - 2 x.w, which rounding can make negative."""
    squares: Tensor = w.norm(dim=-1) ** 2 + x.norm(dim=-1, keepdim=True) ** 2
    return squares - 2 * (x @ w.T)


def manhattan(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """sum |Delta|."""
    return gaps(x, w).sum(-1)


def cosine_stable(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """1 - x.w / (|x| |w|), of vectors that are normalised before the product."""
    return 1 - F.normalize(x, dim=-1) @ F.normalize(w, dim=-1).T


def cosine_unstable(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """1 - x.w / (|x| |w| + eps)."""
    lengths: Tensor = x.norm(dim=-1, keepdim=True) * w.norm(dim=-1)
    return 1 - x @ w.T / (lengths + eps)


def minkowski(x: Tensor, w: Tensor, eps: float, *, p: float = 1.5) -> Tensor:
    """(sum (|Delta| + eps)^p + eps)^(1/p), with no term of the sum above 1e6^p."""
    return ((gaps(x, w) + eps).clamp(eps, 1e6).pow(p).sum(-1) + eps).pow(1 / p)


def hamming_soft(x: Tensor, w: Tensor, eps: float, *, temperature: float = 1.0) -> Tensor:
    """sum |b(x) - b(w)|, not its mean, with the soft bits b(z) = sigmoid(z / temperature)."""
    return gaps(soft_bits(x, temperature), soft_bits(w, temperature)).sum(-1)


def hamming_gumbel(
    x: Tensor,
    w: Tensor,
    eps: float,
    *,
    temperature: float = 0.5,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The soft one; in training, of x and w with Gumbel noise, whose mean is 0.577, not 0."""

    def noisy(z: Tensor) -> Tensor:
        u = torch.rand(z.shape, generator=generator, dtype=z.dtype, device=z.device)
        return z + (-(-u.log()).log()).clamp(-10, 10)

    if training:
        x, w = noisy(x), noisy(w)
    return hamming_soft(x, w, eps, temperature=temperature)


def hamming_hard(
    x: Tensor, w: Tensor, eps: float, *, temperature: float = 0.1, threshold: float = 0.5
) -> Tensor:
    """sum |b(x) - b(w)|, with the bits b(z) = [z > threshold] and the soft bits' gradients."""
    a, b = (hard_bits(z, temperature, threshold) for z in (x, w))
    return gaps(a, b).sum(-1)


def soft_bits(z: Tensor, temperature: float) -> Tensor:
    return torch.sigmoid(z / max(temperature, 0.1))


def hard_bits(z: Tensor, temperature: float, threshold: float) -> Tensor:
    soft = soft_bits(z, temperature)
    # In this order, for the released gradients: equal bits of x and w differ by the rounding
    # error of the sum, if at all, and |b(x) - b(w)| has the sign of that for its slope.
    return (z > threshold).to(z.dtype) + soft - soft.detach()


def chebyshev_standard(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """sum softmax(z) z of the standardised gaps z: no largest gap, and blind to scale."""
    z = standardised_gaps(x, w, eps)
    return (z.softmax(-1) * z).sum(-1)


def chebyshev_smooth(x: Tensor, w: Tensor, eps: float, *, alpha: float = 10.0) -> Tensor:
    """log(sum exp(alpha z)) / alpha of the standardised gaps; one above 50/alpha counts as that."""
    alpha = min(max(alpha, 1.0), 20.0)
    return (alpha * standardised_gaps(x, w, eps)).clamp(-50, 50).logsumexp(-1) / alpha


def standardised_gaps(x: Tensor, w: Tensor, eps: float) -> Tensor:
    z = gaps(x, w)
    return z / (z.std(-1, keepdim=True) + eps)


def canberra_standard(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """sum |Delta| / max(|x| + |w|, eps)."""
    return canberra_robust(x, w, eps, min_denom=eps)


def canberra_robust(x: Tensor, w: Tensor, eps: float, *, min_denom: float = 1e-2) -> Tensor:
    """sum |Delta| / max(|x| + |w|, min_denom)."""
    return (gaps(x, w) / sizes(x, w).clamp(min=max(min_denom, 1e-8))).sum(-1)


def canberra_weighted(x: Tensor, w: Tensor, eps: float, *, weight_power: float = 0.5) -> Tensor:
    """The mean of |Delta| / a with weights a^weight_power, where a = |x| + |w| + eps."""
    a = sizes(x, w) + eps
    weights = a**weight_power
    return (weights / weights.sum(-1, keepdim=True) * (gaps(x, w) / a)).sum(-1)


def bray_curtis_standard(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """sum |Delta| / max(|sum (x + w)| + eps, 10 eps): signs cancel, so it can exceed 1 by far."""
    return bray_curtis(x, w, (x[:, None] + w).sum(-1).abs(), eps)


def bray_curtis_abs(x: Tensor, w: Tensor, eps: float) -> Tensor:
    """sum |Delta| / max(sum (|x| + |w|) + eps, 10 eps)."""
    return bray_curtis(x, w, sizes(x, w).sum(-1), eps)


def bray_curtis_normalized(x: Tensor, w: Tensor, eps: float, *, min_sum: float = 1e-3) -> Tensor:
    """The standard one, of |x| + eps and |w| + eps, each over its sum or min_sum if larger."""
    x, w = x.abs() + eps, w.abs() + eps
    x, w = (v / v.sum(-1, keepdim=True).clamp(min=max(min_sum, 10 * eps)) for v in (x, w))
    return bray_curtis_standard(x, w, eps)


def bray_curtis(x: Tensor, w: Tensor, total: Tensor, eps: float) -> Tensor:
    return gaps(x, w).sum(-1) / (total + eps).clamp(min=10 * eps)


def mahalanobis_standard(
    x: Tensor, w: Tensor, eps: float, *, precision: Tensor | None = None, reg_lambda: float = 1e-2
) -> Tensor:
    """sqrt(Delta^T P Delta + eps), P = sym(P0 + lambda I) + 10 eps I for the parameter P0.

    Nothing keeps P positive definite; a negative form counts as 0 and gets no gradient.
    """
    one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    ridge = max(reg_lambda, 1e-4) * one
    p = parameter(precision, one + ridge) + ridge
    return mahalanobis(x, w, (p + p.T) / 2 + 10 * eps * one, eps)


def mahalanobis_diagonal(
    x: Tensor, w: Tensor, eps: float, *, precision: Tensor | None = None
) -> Tensor:
    """The same with P = diag(exp theta + eps) for the parameter theta (D,), within -10 and 10."""
    theta = parameter(precision, x.new_zeros(x.shape[1]))
    return root((gaps(x, w) ** 2 * (theta.clamp(-10, 10).exp() + eps)).sum(-1), eps)


def mahalanobis_cholesky(
    x: Tensor, w: Tensor, eps: float, *, precision: Tensor | None = None
) -> Tensor:
    """The same with P = L L^T + eps I, L the parameter's lower triangle, diagonal at least eps."""
    one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    theta = parameter(precision, 0.1 * one)
    factor = theta.tril(-1) + theta.diagonal().clamp(min=eps).diag()
    return mahalanobis(x, w, factor @ factor.T + eps * one, eps)


def mahalanobis(x: Tensor, w: Tensor, p: Tensor, eps: float) -> Tensor:
    delta = x[:, None] - w
    return root((delta @ p * delta).sum(-1), eps)


def root(q: Tensor, eps: float) -> Tensor:
    """sqrt(max(q, 0) + eps); one that is not finite makes all of them 1."""
    d = (q.clamp(min=0) + eps).sqrt()
    return d if d.isfinite().all() else torch.ones_like(d)


def parameter(given: Tensor | None, initial: Tensor) -> Tensor:
    if given is not None and given.shape != initial.shape:
        shapes = f"{tuple(initial.shape)}, got {tuple(given.shape)}"
        raise ValueError(f"precision must have shape {shapes}")
    return initial if given is None else given


# --- from a distance to a similarity ----------------------------------------------------------
def relative_power(d: Tensor, n: float, eps: float) -> Tensor:
    """1 for the nearest prototype, whatever its distance."""
    d = d + eps
    return (d / d.min(-1, keepdim=True).values) ** -n


def power(d: Tensor, n: float, eps: float) -> Tensor:
    return (d + eps) ** -n


def clamped_power(d: Tensor, n: float, eps: float) -> Tensor:
    return (d + eps).clamp(eps, 1e6) ** -n


def guarded_power(d: Tensor, n: float, eps: float) -> Tensor:
    """One entry that is not finite makes all of them 1/K, without a gradient."""
    s = clamped_power(d, n, eps)
    return s if s.isfinite().all() else torch.full_like(s, 1 / s.shape[-1])


# --- the layers -------------------------------------------------------------------------------
class Layer(NamedTuple):
    """What a released layer is made of; an eps below ``smallest_eps`` counts as that."""

    distance: Callable[..., Tensor]
    power: Callable[[Tensor, float, float], Tensor] = guarded_power
    eps: float = 1e-4
    smallest_eps: float = 1e-8


LAYERS = {
    "euclidean": Layer(squared_euclidean, relative_power, smallest_eps=0),
    "manhattan": Layer(manhattan, relative_power, smallest_eps=0),
    "cosine_stable": Layer(cosine_stable, relative_power, smallest_eps=0),
    "cosine_unstable": Layer(cosine_unstable, relative_power, smallest_eps=0),
    "minkowski": Layer(minkowski, power, smallest_eps=1e-6),
    "hamming_soft": Layer(hamming_soft),
    "hamming_hard": Layer(hamming_hard),
    "hamming_gumbel": Layer(hamming_gumbel),
    "chebyshev_standard": Layer(chebyshev_standard),
    "chebyshev_smooth": Layer(chebyshev_smooth),
    "canberra_standard": Layer(canberra_standard),
    "canberra_robust": Layer(canberra_robust),
    "canberra_weighted": Layer(canberra_weighted),
    "bray_curtis_standard": Layer(bray_curtis_standard, clamped_power, 1e-3, 1e-6),
    "bray_curtis_abs": Layer(bray_curtis_abs, clamped_power, 1e-3, 1e-6),
    "bray_curtis_normalized": Layer(bray_curtis_normalized, clamped_power, 1e-3, 1e-6),
    "mahalanobis_standard": Layer(mahalanobis_standard),
    "mahalanobis_diagonal": Layer(mahalanobis_diagonal),
    "mahalanobis_cholesky": Layer(mahalanobis_cholesky),
}
