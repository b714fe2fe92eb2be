"""One layer of prototypes on the digits with any map to logits: what a released layer does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harmonic_lib import released
from harmonic_lib.experiments.distance_sweep import EPOCHS, SEEDS, build, config, digits
from harmonic_lib.measure.axioms import Pairwise
from harmonic_lib.statistics import Interval, confidence_interval
from harmonic_lib.training import accuracy, fit

Logits = Callable[[Tensor, Tensor], Tensor]
"""From inputs (N, D) and prototypes (K, D) to logits (N, K)."""


class Head(nn.Module):
    """Prototypes, and a function from inputs and prototypes to logits."""

    def __init__(self, weight: Tensor, logits: Logits) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x, self.weight)


@dataclass(frozen=True)
class Trained:
    """Heads of one kind, one a seed.

    accuracy: on the test images, with its interval over seeds.
    loss: the mean training loss of the last epoch, of the lowest seed.
    """

    heads: list[Head]
    accuracy: Interval
    loss: float


def train(logits: Logits, profile: str, start: str = "images", seeds: int | None = None) -> Trained:
    """Train from the same prototypes, in the same order, as the sweep over distances.

    seeds: how many, two or more; None for all of the profile.

    Raises:
        ValueError: an unknown profile or start, or a number of seeds that the profile has not.
    """
    like = config("manhattan", 8.0, profile, start)
    most = len(SEEDS[profile])
    if seeds is not None and not 2 <= seeds <= most:
        raise ValueError(
            f"seeds must be from 2, as an interval needs two, to {most}, all of the profile "
            f"{profile!r}, got {seeds!r}"
        )
    data, chosen = digits(), SEEDS[profile][:seeds]
    heads = [Head(build(like, data, seed).weight.detach().clone(), logits) for seed in chosen]
    losses = fit(
        heads,
        chosen,
        data.x,
        data.y,
        epochs=EPOCHS[profile],
        batch_size=like.batch_size,
        lr=like.lr,
        weight_decay=like.weight_decay,
    )
    scores = [accuracy(head, data.x_test, data.y_test) for head in heads]
    return Trained(heads, confidence_interval(scores), float(losses[-1].min()))


def train_all(
    kinds: Mapping[str, Logits], profile: str, start: str = "images"
) -> dict[str, Trained]:
    """:func:`train` each of several kinds of head."""
    return {name: train(logits, profile, start) for name, logits in kinds.items()}


def nearest_changes(d: Logits, other: Logits, seed: int = 0, dim: int = 64) -> float:
    """The share of random inputs whose nearest of ten prototypes is another one by ``other``.

    Both give distances; inputs and prototypes are standard normal.
    """
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.randn(2000, dim, generator=generator), torch.randn(10, dim, generator=generator)
    return float((d(x, w).argmin(-1) != other(x, w).argmin(-1)).double().mean())


@dataclass(frozen=True)
class Steps:
    """Prototypes after some steps of training.

    weight: as they are at the end.
    failed: the first step whose gradient was not finite, from 1 on; None where all were.
    """

    weight: Tensor
    failed: int | None


def take_steps(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    weight: Tensor,
    x: Tensor,
    y: Tensor,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
) -> Steps:
    """Train one matrix of prototypes by AdamW on the data in their order, failures and all.

    loss: of inputs, classes and prototypes.
    """
    leaf, failed = weight.clone().requires_grad_(), None
    optimiser = torch.optim.AdamW([leaf], lr=lr, weight_decay=weight_decay)
    for step in range(steps):
        rows = torch.arange(step * batch_size, (step + 1) * batch_size) % len(x)
        optimiser.zero_grad()
        loss(x[rows], y[rows], leaf).backward()
        if failed is None and leaf.grad is not None and not leaf.grad.isfinite().all():
            failed = step + 1
        optimiser.step()
    return Steps(leaf.detach(), failed)


def first_prototypes(classes: int, width: int, seed: int = 0) -> Tensor:
    """Prototypes as the released layers start: uniform within 1 / sqrt(width)."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(classes, width, generator=generator) - 1) / math.sqrt(width)


def released_logits(name: str, conversion: str) -> Pairwise:
    """The logits of a released layer, as released with n = 1, but for its guard against NaN.

    The guard decides for a whole batch, so that seeds could not be trained together.
    """
    layer = released.LAYERS[name]

    def logits(x: Tensor, w: Tensor) -> Tensor:
        dist = layer.distance(x, w, layer.eps)
        return released.logits(released.layers.clamped_power(dist, 1.0, layer.eps), conversion)

    return logits
