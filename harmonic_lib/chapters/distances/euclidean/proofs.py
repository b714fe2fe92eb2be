"""What the chapter on the Euclidean distance proves, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds. A distance is any function of x, (N, D), and w, (K, D), that gives (N, K).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from harmonic_lib import released
from harmonic_lib.measure.axioms import Pairwise, normal


def triangle_violation(d: Pairwise, points: Tensor) -> float:
    """The most by which a direct way is longer than one by a third point, of all triples."""
    dist = d(points, points)
    return float((dist.unsqueeze(1) - dist.unsqueeze(2) - dist.T.unsqueeze(0)).max())


def symmetry_violation(d: Pairwise, points: Tensor) -> float:
    """The most by which there and back differ."""
    dist = d(points, points)
    return float((dist - dist.T).abs().max())


def degree_violation(d: Pairwise, points: Tensor, degree: float = 1.0) -> float:
    """How far d(3x, 3w) is from 3^degree d(x, w)."""
    return float((d(3 * points, 3 * points) - 3**degree * d(points, points)).abs().max())


def translation_violation(d: Pairwise, points: Tensor) -> float:
    """How much distances change when all points are moved by one vector."""
    moved = points + torch.linspace(-2, 3, points.shape[1], dtype=points.dtype)
    return float((d(moved, moved) - d(points, points)).abs().max())


def rotation_violation(d: Pairwise, points: Tensor) -> float:
    """How much distances change when all points are turned by one random rotation."""
    dim = points.shape[1]
    turn, _ = torch.linalg.qr(normal(dim, dim, seed=7))
    return float((d(points @ turn, points @ turn) - d(points, points)).abs().max())


def violations(d: Pairwise, points: Tensor) -> dict[str, float]:
    """How far d violates each property of the Euclidean distance, relative to its largest value."""
    scale = float(d(points, points).max())
    checks = {
        "symmetric": symmetry_violation,
        "triangle": triangle_violation,
        "degree 1": degree_violation,
        "moved together": translation_violation,
        "turned together": rotation_violation,
    }
    return {name: max(0.0, check(d, points)) / scale for name, check in checks.items()}


def unit_gradient(x: Tensor, w: Tensor) -> Tensor:
    """The gradient of the Euclidean distance in x by hand, (N, K, D); 0 at x = w."""
    return torch.nn.functional.normalize(x.unsqueeze(1) - w, dim=-1, eps=1e-300)


def gradients(d: Pairwise, x: Tensor, w: Tensor) -> Tensor:
    """The gradient of each distance in x by autograd, (N, K, D)."""
    every = x.unsqueeze(1).expand(-1, len(w), -1).clone().requires_grad_()
    own = [d(every[:, k], w[k : k + 1]).sum() for k in range(len(w))]
    (found,) = torch.autograd.grad(torch.stack(own).sum(), every)
    return found


def gradient_violation(d: Pairwise, by_hand: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The largest difference between gradients by hand and by autograd, x = w included."""
    x, w = normal(20, 5), normal(6, 5, seed=1)
    x[0] = w[0]
    return float((by_hand(x, w) - gradients(d, x, w)).abs().max())


def pull(dist: Tensor, n: float, eps: float) -> Tensor:
    """The slope of the released logit -n log(d^2 + eps) in d, by hand, its sign dropped."""
    return 2 * n * dist / (dist.square() + eps)


def strongest_pull(n: float, eps: float) -> tuple[float, float]:
    """Where the pull is strongest, and how strong, by search in the slope by autograd."""
    dist = torch.logspace(-4, 4, 200_001, dtype=torch.float64) * eps**0.5
    dist.requires_grad_()
    (slope,) = torch.autograd.grad((n * (dist.square() + eps).log()).sum(), dist)
    best = int(slope.argmax())
    dist = dist.detach()
    return float(dist[best]), float(slope[best])


def pull_violation(n: float, eps: float) -> float:
    """How far the search is from the proposition: n / sqrt(eps), at sqrt(eps); relative."""
    place, size = strongest_pull(n, eps)
    root = math.sqrt(eps)
    return max(abs(place / root - 1), abs(size * root / n - 1))


def released_harmax(x: Tensor, w: Tensor, n: float = 1.0, eps: float = 1e-4) -> Tensor:
    """The probabilities of the released layer: its similarities over their sum."""
    s = released.similarity("euclidean", x, w, n=n, eps=eps)
    return s / s.sum(-1, keepdim=True)


def floor_by_formula(points: Tensor, n: float, eps: float) -> float:
    """The loss of prototypes that lie on their points, with eps beside the squared distance."""
    squares = torch.cdist(points, points).square()
    others: Tensor = (eps / (squares + eps)) ** n
    return float(torch.log1p(others.fill_diagonal_(0).sum(-1)).mean())


def floor_violation(points: Tensor, n: float, eps: float) -> float:
    """How far the released loss at that place is from the formula, relative to it."""
    p = released_harmax(points, points, n, eps).diagonal()
    expected = floor_by_formula(points, n, eps)
    return abs(float(-p.log().mean()) / expected - 1)


def expanded(x: Tensor, w: Tensor) -> Tensor:
    """Squared distances of row i from row i by |x|^2 + |w|^2 - 2 x.w, in the inputs' precision."""
    return x.square().sum(-1) + w.square().sum(-1) - 2 * (x * w).sum(-1)


def near_pairs(square: float, norm: float, dim: int, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Vectors of squared length ``norm``, and others at squared distance ``square`` from them."""
    x, step = normal(rows, dim, seed=seed), normal(rows, dim, seed=seed + 1)
    x = torch.nn.functional.normalize(x, dim=-1) * norm**0.5
    return x, x + torch.nn.functional.normalize(step, dim=-1) * square**0.5


def signs(rows: int, dim: int, norm: float, seed: int) -> tuple[float, float]:
    """What rounding does to inputs that lie on their prototype, in float32, for one length.

    Returns: the share of inputs with a negative similarity in the released layer (eps 1e-4),
        and the share whose most similar prototype is not the one they lie on.
    """
    w = (torch.nn.functional.normalize(normal(rows, dim, seed=seed), dim=-1) * norm**0.5).float()
    s = released.similarity("euclidean", w, w)
    wrong = s.argmax(-1) != torch.arange(rows)
    return float((s < 0).any(-1).float().mean()), float(wrong.float().mean())
