"""What the chapter on the Mahalanobis distance proves, checked on numbers.

Each check returns the worst violation that it found, 0 (or below) up to rounding where the
proposition holds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.distances.mahalanobis import Mahalanobis
from harmonic_lib.measure.axioms import Pairwise, normal


def forms(x: Tensor, w: Tensor, precision: Tensor) -> Tensor:
    """The quadratic forms (x - w)' P (x - w) themselves, (N, K); negative ones too."""
    gaps = x.unsqueeze(1) - w
    quadratic: Tensor = (gaps @ precision * gaps).sum(-1)
    return quadratic


def by(precision: Tensor) -> Pairwise:
    """The distance of a precision matrix, by its formula."""
    return lambda x, w: forms(x, w, precision).sqrt()


def some_precision(dim: int = 5, seed: int = 3) -> Tensor:
    """A symmetric matrix with eigenvalues 0.2, ..., 4 in random directions, float64."""
    turn, _ = torch.linalg.qr(normal(dim, dim, seed=seed))
    values = torch.linspace(0.2, 4, dim, dtype=turn.dtype)
    symmetric: Tensor = (turn * values) @ turn.T
    return symmetric


def factor(precision: Tensor) -> Tensor:
    """F with F F' = P, lower triangular."""
    root: Tensor = torch.linalg.cholesky(precision)
    return root


def map_violation(precision: Tensor, root: Callable[[Tensor], Tensor] = factor) -> float:
    """How far d is from Euclid's distance after both vectors went through F'."""
    x, w = normal(30, 5), normal(7, 5, seed=1)
    f = root(precision)
    euclid = torch.cdist(x @ f, w @ f)
    return float((by(precision)(x, w) - euclid).abs().max())


def merged_share(d: Pairwise, precision: Tensor) -> float:
    """The share of pairs an eigenvector of P apart whose distance is 0: none, for a metric."""
    x, steps = normal(30, 5), torch.linalg.eigh(precision).eigenvectors.T
    dist = torch.stack([d(u[None], u + steps)[0] for u in x])
    return float((~(dist > 1e-6)).double().mean())


def size_violation(probabilities: Callable[[Tensor], Tensor], precision: Tensor) -> float:
    """How much probabilities change when P is multiplied by 9."""
    x, w = normal(30, 5), normal(7, 5, seed=1)
    first, then = (probabilities(by(a * precision)(x, w)) for a in (1, 9))
    return float((first - then).abs().max())


def trace_violation(exponent: float, link: str = "harmonic") -> float:
    """The slope of the loss along P itself, sum P dL/dP, which is 0 where its size is not seen."""
    x, w = normal(30, 5), normal(7, 5, seed=1)
    p = some_precision().requires_grad_()
    d = by(p)(x, w)
    z = hl.harmonic_logits(d, exponent) if link == "harmonic" else -exponent * d
    loss = F.cross_entropy(z, torch.arange(30) % 7)
    (slope,) = torch.autograd.grad(loss, p)
    return abs(float((slope * p.detach()).sum()))


def linear_disagreement(precision: Tensor, biased: bool = True) -> float:
    """The share of inputs that the head and its linear layer put in different classes."""
    x, w = normal(5000, 5), normal(7, 5, seed=1)
    scores = x @ (w @ precision).T
    if biased:
        scores = scores - (w @ precision * w).sum(-1) / 2
    return float((scores.argmax(-1) != by(precision)(x, w).argmin(-1)).double().mean())


def by_hand(x: Tensor, w: Tensor, precision: Tensor) -> Tensor:
    """The gradient of d in x, P (x - w) / d: (N, K, D)."""
    return (x.unsqueeze(1) - w) @ precision / by(precision)(x, w).unsqueeze(-1)


def gradient_violation(
    precision: Tensor, formula: Callable[[Tensor, Tensor, Tensor], Tensor] = by_hand
) -> float:
    """How far the library's gradients are from the formula."""
    x, w = normal(30, 5), normal(7, 5, seed=1)
    d = hl.distance("mahalanobis", dim=5, precision=precision).double()
    every = x.unsqueeze(1).expand(-1, 7, -1).clone().requires_grad_()
    own = torch.stack([d(every[:, k], w[k : k + 1]).sum() for k in range(7)])
    (found,) = torch.autograd.grad(own.sum(), every)
    return float((found - formula(x, w, precision)).abs().max())


def by_hand_in_p(x: Tensor, w: Tensor, precision: Tensor) -> Tensor:
    """The gradient of d in P, (x - w)(x - w)' / 2d: (N, K, D, D)."""
    gaps = x.unsqueeze(1) - w
    outer = gaps.unsqueeze(-1) * gaps.unsqueeze(-2)
    return outer / (2 * by(precision)(x, w)[..., None, None])


def slope_in_p_violation(
    precision: Tensor, formula: Callable[[Tensor, Tensor, Tensor], Tensor] = by_hand_in_p
) -> float:
    """How far autograd's gradients in the entries of P, all of them free, are from the formula."""
    x, w = normal(8, 5), normal(3, 5, seed=1)
    found = torch.autograd.functional.jacobian(lambda p: by(p)(x, w), precision)
    return float((found - formula(x, w, precision)).abs().max())


def step_in_p_violation(
    form: str,
    formula: Callable[[Tensor, Tensor, Tensor], Tensor] = by_hand_in_p,
    step: float = 1e-4,
) -> float:
    """How far the library's distances go astray from the formula when its P makes a small step.

    From random weights of the form, a step there and a step back; divided by the step.
    """
    x, w = normal(8, 5), normal(3, 5, seed=1)
    d = Mahalanobis(5, form).double()
    shape = d.weight.shape
    start, direction = normal(*shape, seed=2) / 2, normal(*shape, seed=3)
    found, matrices = [], []
    with torch.no_grad():
        for move in (0, -step, step):
            d.weight.copy_(start + move * direction)
            found.append(d(x, w))
            matrices.append(d.precision.clone())
    slope = formula(x, w, matrices[0])
    expected = (slope * (matrices[2] - matrices[1])).sum((-2, -1))
    return float((found[2] - found[1] - expected).abs().max() / (2 * step))


def length_violation(precision: Tensor, narrower: float = 1.0) -> float:
    """How far gradients are outside the roots of the least and the largest eigenvalue."""
    x, w = normal(300, 5), normal(7, 5, seed=1)
    lengths = by_hand(x, w, precision).norm(dim=-1)
    low, high = torch.linalg.eigvalsh(precision)[[0, -1]].sqrt()
    low, high = low * narrower, high / narrower
    return float(torch.maximum(low - lengths.min(), lengths.max() - high))


# --- the released layers ------------------------------------------------------------------------
RELEASED = ("standard", "diagonal", "cholesky")


def released_start(form: str, dim: int = 4, eps: float = 1e-4) -> Tensor:
    """The P with which a released layer starts, found by asking it for distances: (dim, dim)."""
    layer = released.LAYERS[f"mahalanobis_{form}"]
    eye = torch.eye(dim, dtype=torch.float64)
    zero = torch.zeros(1, dim, dtype=torch.float64)

    def form_of(v: Tensor) -> Tensor:
        return layer.distance(v, zero, eps)[:, 0].square() - eps

    sums = form_of((eye.unsqueeze(0) + eye.unsqueeze(1)).reshape(-1, dim)).view(dim, dim)
    single = form_of(eye)
    return (sums - single - single.unsqueeze(1)) / 2


def effective(parameter: Tensor, eps: float = 1e-4) -> Tensor:
    """The P that the released layer ``standard`` makes of its parameter."""
    eye = torch.eye(len(parameter), dtype=parameter.dtype)
    return (parameter + parameter.T) / 2 + (1e-2 + 10 * eps) * eye
