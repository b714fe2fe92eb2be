"""A metric that is learnt on the digits: the released layer, ours, and a linear layer like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.chapters.distances.mahalanobis.proofs import effective, forms
from harmonic_lib.distances.mahalanobis import Mahalanobis
from harmonic_lib.experiments import distance_sweep as sweep
from harmonic_lib.measure import class_means
from harmonic_lib.statistics import Interval, confidence_interval
from harmonic_lib.training import accuracy, fit


class Epoch(NamedTuple):
    """After an epoch: the least eigenvalue of P, the share of negative forms, the accuracy."""

    least: float
    negative: float
    accuracy: float


class ReleasedHead(nn.Module):
    """The released layer ``standard`` with its logits, for prototypes that are given."""

    def __init__(self, weight: Tensor, exponent: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.parameter = nn.Parameter(1.01 * torch.eye(weight.shape[1]))
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        s = released.similarity(
            "mahalanobis_standard", x, self.weight, n=self.exponent, precision=self.parameter
        )
        return released.logits(s, "log")

    def precision(self) -> Tensor:
        return effective(self.parameter.detach())


def descend(which: str, exponent: float, epochs: int, seed: int = 0) -> list[Epoch]:
    """Train the "released" layer or "ours" on the digits, the same start and order for both."""
    data = sweep.digits()
    own = sweep.build(sweep.config("mahalanobis full", exponent, "quick"), data, seed)
    released_head = ReleasedHead(own.weight.detach(), exponent)
    head = released_head if which == "released" else own
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=5e-3, weight_decay=0.0)
    seen = [look(head, data)]
    for _ in range(epochs):
        for rows in torch.randperm(len(data.y), generator=order).split(128):
            optimiser.zero_grad()
            F.cross_entropy(head(data.x[rows]), data.y[rows]).backward()
            optimiser.step()
        seen.append(look(head, data))
    return seen


@torch.no_grad()
def look(head: ReleasedHead | hl.HarmonicHead, data: sweep.Digits) -> Epoch:
    """What there is to see of a head in training, on the test images."""
    if isinstance(head, ReleasedHead):
        p = head.precision()
    else:
        assert isinstance(head.distance, Mahalanobis)
        p = head.distance.precision
    q = forms(data.x_test, head.weight, p)
    least = float(torch.linalg.eigvalsh(p)[0])
    return Epoch(least, float((q < 0).float().mean()), accuracy(head, data.x_test, data.y_test))


def separation(directions: Tensor) -> Tensor:
    """Variance between the digits' class means over variance within classes, by direction: (R,).

    directions: (R, 64). One along which nothing varies within a class gives infinity, or NaN.
    """
    data = sweep.digits()
    means = class_means(data.x, data.y, 10)
    along = directions.to(data.x.dtype).T
    within = ((data.x - means[data.y]) @ along).square().mean(0)
    between = ((means[data.y] - data.x.mean(0)) @ along).square().mean(0)
    return between / within


def follows(weights: Tensor) -> float:
    """The correlation of log weights of pixels, (64,), with the log of their separation.

    Of the pixels whose variance within the classes is above 0.001.
    """
    data = sweep.digits()
    inside = (data.x - class_means(data.x, data.y, 10)[data.y]).square().mean(0)
    used = inside > 1e-3
    logs = separation(torch.eye(data.x.shape[1]))[used].log()
    return float(torch.corrcoef(torch.stack([weights.detach()[used], logs]))[0, 1])


def linear_then_euclid(
    exponent: float, seeds: Sequence[int], epochs: int
) -> tuple[Interval, Interval]:
    """Training and test accuracy of a square linear layer, at first the identity, and Euclid.

    As many seeds as one computation, from training images, as in the sweep.
    """
    data = sweep.digits()
    models = []
    for seed in seeds:
        linear = nn.Linear(64, 64, bias=False)
        nn.init.eye_(linear.weight)
        head = sweep.build(sweep.config("euclidean", exponent, "quick"), data, seed)
        models.append(nn.Sequential(linear, head))
    fit(models, seeds, data.x, data.y, epochs=epochs, batch_size=128, lr=5e-3, weight_decay=0.0)
    train = [accuracy(model, data.x, data.y) for model in models]
    test = [accuracy(model, data.x_test, data.y_test) for model in models]
    return confidence_interval(train), confidence_interval(test)


def trained_accuracy(heads: Sequence[nn.Module]) -> Interval:
    """The accuracy of heads on the images they were trained on."""
    data = sweep.digits()
    return confidence_interval([accuracy(head, data.x, data.y) for head in heads])
