"""Small data sets with known minima, and the search for a minimum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.measure import class_means
from harmonic_lib.measure.axioms import normal

Data = tuple[Tensor, Tensor]
"""Inputs (N, D) and labels (N,)."""


def loss(
    x: Tensor,
    w: Tensor,
    y: Tensor,
    exponent: float,
    distance: str | Distance = "euclidean",
    epsilon: float = 0.0,
) -> Tensor:
    r"""The harmonic loss :math:`L(W) = -\sum_i \log p_{y_i}(x_i)`, exact at distance zero.

    Prototypes at distance zero from an input share its probability equally; the loss is
    infinite where its own is not among them. With ``epsilon``, d^2 + epsilon takes the place of
    d^2, and no distance is zero. (N, D), (..., K, D), (N,) -> (...).
    """
    log_p = log_probabilities(x, w, exponent, distance, epsilon)
    own = y.view(-1, *[1] * (w.ndim - 1)).expand(*log_p.shape[:-1], 1)
    return 0.0 - log_p.gather(-1, own).squeeze(-1).sum(0)


def log_probabilities(
    x: Tensor,
    w: Tensor,
    exponent: float,
    distance: str | Distance = "euclidean",
    epsilon: float = 0.0,
) -> Tensor:
    """Logarithms of the HarMax probabilities: (N, D), (..., K, D) -> (N, ..., K)."""
    d = as_distance(distance, x.shape[-1])(x, w.flatten(0, -2)).unflatten(-1, w.shape[:-1])
    if epsilon:
        d = (d.square() + epsilon).sqrt()
    on = d == 0
    usual = hl.harmonic_logits(torch.where(on, 1.0, d), exponent).log_softmax(-1)
    if not on.any():
        return usual
    shares = torch.where(on, -on.sum(-1, keepdim=True).to(d.dtype).log(), -math.inf)
    return torch.where(on.any(-1, keepdim=True), shares, usual)


def label_entropy(y: Tensor) -> float:
    """N H(Y): the entropy of the class frequencies, in nats, times the number of samples."""
    counts = y.bincount().double()
    return float(torch.special.entr(counts / counts.sum()).sum() * counts.sum())


def floor(x: Tensor, y: Tensor) -> float:
    """N H(Y | X): the sum, over the places where samples lie, of the label entropy there."""
    _, place = x.unique(dim=0, return_inverse=True)
    return sum(label_entropy(y[place == each]) for each in place.unique())


def tug_of_war(copies: int = 1) -> Data:
    """On a line: class 0 at 0, ``copies`` times, and class 1 at -1 and at 1."""
    x = torch.tensor([[0.0]] * copies + [[-1.0], [1.0]], dtype=torch.float64)
    return x, torch.tensor([0] * copies + [1, 1])


OFFSET = 0.1995774360890414
"""How far class 1 of :func:`three_classes` is from class 0: without a minimum at this one value."""

CENTRE = 1.0982444717521969
"""Where the prototype of class 2 is then best, on the first axis."""


def three_classes(copies: int = 12, offset: float = OFFSET) -> Data:
    """In space, on the first axis and around it: ``copies`` of class 0 at 0, classes 1 and 2."""
    others = [[offset, y, z] for y, z in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))]
    others += [[1.0, y, z] for y, z in ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5))]
    x = torch.tensor([[0.0] * 3] * copies + others, dtype=torch.float64)
    return x, torch.tensor([0] * copies + [1] * 4 + [2] * 4)


def collision() -> Data:
    """On a line: class 0 twice and class 1 once at 0, and class 2 at 1."""
    x = torch.tensor([[0.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
    return x, torch.tensor([0, 0, 1, 2])


def noise() -> Data:
    """On a line: at -1, 0 and 1, class 0 twice and class 1 once. The input tells nothing."""
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64).repeat_interleave(3, dim=0)
    return x, torch.tensor([0, 0, 1] * 3)


def blobs(seed: int, spread: float, a_class: int | Sequence[int] = 10) -> Data:
    """In the plane: three normal classes around the corners of a regular triangle."""
    counts = [a_class] * 3 if isinstance(a_class, int) else list(a_class)
    y = torch.arange(3).repeat_interleave(torch.tensor(counts))
    angles = torch.tensor([0.5, 7 / 6, 11 / 6], dtype=torch.float64) * math.pi
    corners = torch.stack([angles.cos(), angles.sin()], dim=1)
    return corners[y] + spread * normal(len(y), 2, seed=seed), y


@dataclass(frozen=True)
class Minimum:
    """The best of several searches.

    weight: (K, D). gradient: the largest entry of the gradient there. losses: where each
    search ended.
    """

    loss: float
    weight: Tensor
    gradient: float
    losses: list[float]


def minimise(objective: Callable[[Tensor], Tensor], starts: Sequence[Tensor]) -> Minimum:
    """Search for the least value of a smooth function from each of the starts, by L-BFGS."""
    ends = [search(objective, start) for start in starts]
    best = min(ends, key=lambda end: end.loss)
    return Minimum(best.loss, best.weight, best.gradient, [end.loss for end in ends])


def search(objective: Callable[[Tensor], Tensor], start: Tensor) -> Minimum:
    """L-BFGS with a line search, until the gradient is as small as rounding allows."""
    w = start.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [w],
        max_iter=400,
        history_size=30,
        tolerance_grad=1e-12,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = objective(w)
        value.backward()
        return value

    optimiser.step(closure)
    value = closure().item()
    assert w.grad is not None
    return Minimum(value, w.detach(), float(w.grad.abs().max()), [value])


def around_means(x: Tensor, y: Tensor, starts: int, seed: int) -> list[Tensor]:
    """Starts for a search: the class means, moved by normal noise that grows from start to start.

    Classes without a sample start around the mean of all.
    """
    means = class_means(x, y, int(y.max()) + 1)
    size = float((x - x.mean(0)).norm(dim=1).mean())
    shape = tuple(means.shape)
    return [
        means + 0.2 * size * (1 + s) * normal(*shape, seed=1000 * seed + s) for s in range(starts)
    ]
