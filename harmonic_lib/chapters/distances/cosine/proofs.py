"""What the chapter on the cosine distance proves, checked on numbers.

Each check returns the worst violation that it found, 0 (or below) up to rounding where the
proposition holds. A distance is any function of x, (N, D), and w, (K, D), that gives (N, K).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.measure.axioms import Pairwise, normal

Probability = Callable[[Tensor], Tensor]
"""From cosines, (N, K), to probabilities."""


def half_square(x: Tensor, w: Tensor) -> Tensor:
    """Half the squared Euclidean distance of the unit vectors, by SciPy's formula for Euclid."""
    return torch.cdist(F.normalize(x, dim=-1), F.normalize(w, dim=-1)).square() / 2


def exponent_violation(d: Pairwise, factor: float = 2.0, n: float = 8.0) -> float:
    """How far HarMax of d with n is from that of Euclid, on unit vectors, with ``factor`` n."""
    x, w = normal(50, 6), normal(9, 6, seed=1)
    unit = hl.distance("euclidean")(F.normalize(x, dim=-1), F.normalize(w, dim=-1))
    return float((hl.harmax(d(x, w), n) - hl.harmax(unit, factor * n)).abs().max())


def separate_violation(d: Pairwise) -> float:
    """How much distances change when each vector is made longer by a factor of its own."""
    x, w = normal(50, 6), normal(9, 6, seed=1)
    by_x = torch.linspace(0.01, 100, 50, dtype=x.dtype).unsqueeze(1)
    by_w = torch.linspace(30, 0.2, 9, dtype=x.dtype).unsqueeze(1)
    return float((d(x * by_x, w * by_w) - d(x, w)).abs().max())


def at_degrees(*angles: float) -> Tensor:
    """Unit vectors of the plane at these angles."""
    turn = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return torch.stack([turn.cos(), turn.sin()], -1)


def radial_violation(d: Pairwise) -> float:
    """The largest cosine between a prototype and the gradient of its distances."""
    x, w = normal(20, 6), normal(7, 6, seed=1).requires_grad_()
    (slope,) = torch.autograd.grad(d(x, w).square().sum(), w)
    return float(F.cosine_similarity(slope, w.detach()).abs().max())


def slope_violation(d: Pairwise) -> float:
    """How far the length of the gradient in w is from sin(angle) / |w|."""
    w = normal(7, 6, seed=1).requires_grad_()
    x = normal(1, 6).expand(7, -1)
    dist = torch.stack([d(x[k : k + 1], w[k : k + 1]).squeeze() for k in range(7)])
    (slope,) = torch.autograd.grad(dist.sum(), w)
    sine = (1 - F.cosine_similarity(x, w.detach()).square()).sqrt()
    return float((slope.norm(dim=-1) - sine / w.detach().norm(dim=-1)).abs().max())


def lengths_in_training(
    distance: str = "cosine", steps: int = 60, lr: float = 0.5, weight_decay: float = 0.0
) -> Tensor:
    """The lengths of the prototypes after each step of SGD on random points: (steps + 1, K)."""
    x, y = normal(60, 6), torch.arange(60) % 5
    head = hl.HarmonicHead(6, 5, distance, exponent=4).double()
    with torch.no_grad():
        head.weight.copy_(normal(5, 6, seed=2))
    optimiser = torch.optim.SGD(head.parameters(), lr=lr, weight_decay=weight_decay)
    lengths = [head.weight.detach().norm(dim=-1)]
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(head(x), y).backward()
        optimiser.step()
        lengths.append(head.weight.detach().norm(dim=-1))
    return torch.stack(lengths)


def shrinking(lengths: Tensor) -> float:
    """The most that a prototype got shorter in one step, relative; 0 or below: none did."""
    return float((1 - lengths[1:] / lengths[:-1]).max())


def growth_violation(weight_decay: float = 0.0) -> float:
    """:func:`shrinking` of prototypes by cosine under plain SGD."""
    return shrinking(lengths_in_training(weight_decay=weight_decay))


def floor_alone(tau: float, classes: int) -> float:
    """The least loss of one example under softmax(cos / tau), in nats."""
    return math.log1p((classes - 1) * math.exp(-2 / tau))


def floor_balanced(tau: float, classes: int) -> float:
    """The least mean loss over equally frequent classes under softmax(cos / tau), in nats."""
    return math.log1p((classes - 1) * math.exp(-classes / (classes - 1) / tau))


def tempered(tau: float) -> Probability:
    """softmax(cos / tau)."""
    return lambda cosines: (cosines / tau).softmax(-1)


def simple(cosines: Tensor) -> Tensor:
    """(1 + cos) / 2 over its sum: the head ``cosine_simple`` of the released language models."""
    return (1 + cosines) / (1 + cosines).sum(-1, keepdim=True)


def harmonic(n: float) -> Probability:
    """HarMax of the cosine distance."""
    return lambda cosines: hl.harmax((1 - cosines).clamp_min(1e-12), n)


def least_loss(head: Probability, frequencies: Tensor, steps: int = 300, seed: int = 0) -> float:
    """The mean loss that free directions reach: one input and one prototype a class, by Adam.

    No network can do better than an input for each class, placed at will; dimension K.
    """
    classes = len(frequencies)
    x = normal(classes, classes, seed=seed).requires_grad_()
    w = normal(classes, classes, seed=seed + 1).requires_grad_()
    optimiser = torch.optim.Adam([x, w], lr=0.05)
    best = math.inf
    for _ in range(steps):
        cosines = F.normalize(x, dim=-1) @ F.normalize(w, dim=-1).T
        loss = -(frequencies * head(cosines).diagonal().log()).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        best = min(best, float(loss.detach()))
    return best


def zipf(classes: int) -> Tensor:
    """Frequencies in proportion to 1, 1/2, 1/3, ...: roughly those of words."""
    frequencies = 1 / torch.arange(1, classes + 1, dtype=torch.float64)
    return frequencies / frequencies.sum()


def entropy(frequencies: Tensor) -> float:
    """The least mean loss of one fixed guess, in nats."""
    return float(-torch.special.xlogy(frequencies, frequencies).sum())


def balanced_violation(head: Probability, tau: float, classes: int = 12) -> float:
    """How far below :func:`floor_balanced` free directions came; 0 or below: they did not."""
    even = torch.full((classes,), 1 / classes, dtype=torch.float64)
    return floor_balanced(tau, classes) - least_loss(head, even)


def one_bit_violation(head: Probability, frequencies: Tensor) -> float:
    """How far below the entropy less log 2 free directions came; 0 or below: they did not."""
    return entropy(frequencies) - math.log(2) - least_loss(head, frequencies)


def small_angles(angles: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """1 - cos of pairs of vectors of 64 numbers at these angles: exact, released, and ours."""
    u = F.normalize(normal(1, 64), dim=-1)
    v = normal(1, 64, seed=1)
    v = F.normalize(v - (v * u).sum() * u, dim=-1)
    w = angles.cos().unsqueeze(1) * u + angles.sin().unsqueeze(1) * v
    x, w = (3 * u).to(dtype), (2 * w).to(dtype)
    return {
        "exact": 2 * (angles / 2).sin().square(),
        "released": released.LAYERS["cosine_stable"].distance(x, w, 0.0)[0],
        "ours": hl.distance("cosine")(x, w)[0],
    }


def nearest_changes(length: float, classes: int = 10, dim: int = 64, seed: int = 0) -> float:
    """The share of inputs for which the released unstable layer has another nearest class.

    Inputs and prototypes are normal, times ``length``, the prototypes also with lengths from
    a tenth to ten times that.
    """
    x, w = normal(2000, dim, seed=seed), normal(classes, dim, seed=seed + 1)
    w = w * torch.logspace(-1, 1, classes, dtype=w.dtype).unsqueeze(1)
    ours = hl.distance("cosine")(x, w).argmin(-1)
    s = released.similarity("cosine_unstable", length * x, length * w)
    return float((s.argmax(-1) != ours).double().mean())
