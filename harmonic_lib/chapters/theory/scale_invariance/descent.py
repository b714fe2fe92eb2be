"""The same run at another scale."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from harmonic_lib.chapters.theory.scale_invariance.proofs import Loss
from harmonic_lib.checks import check_name

Optimiser = Literal["sgd", "adamw"]


class Settings(NamedTuple):
    """Settings of an optimiser; ``eps`` is Adam's."""

    lr: float
    decay: float = 0.0
    eps: float = 1e-8


def at_scale(optimiser: Optimiser, settings: Settings, a: float) -> Settings:
    """Settings with which (ax, aw) goes through the run of (x, w), a times as large."""
    check_name("optimiser", optimiser, ("sgd", "adamw"))
    step = a**2 if optimiser == "sgd" else a
    return Settings(settings.lr * step, settings.decay / step, settings.eps / a)


class Run(NamedTuple):
    """The prototypes after a run, and the loss before each step and at the end."""

    weight: Tensor
    losses: Tensor


def descend(
    loss: Loss, x: Tensor, w: Tensor, optimiser: Optimiser, settings: Settings, steps: int
) -> Run:
    """Train the prototypes alone, on all inputs at each step; SGD has a momentum of 0.9."""
    check_name("optimiser", optimiser, ("sgd", "adamw"))
    weight = torch.nn.Parameter(w.clone())
    lr, decay, eps = settings
    step: torch.optim.Optimizer
    if optimiser == "sgd":
        step = torch.optim.SGD([weight], lr=lr, weight_decay=decay, momentum=0.9)
    else:
        step = torch.optim.AdamW([weight], lr=lr, weight_decay=decay, eps=eps)
    losses = []
    for _ in range(steps):
        value = loss(x, weight)
        losses.append(value.detach())
        step.zero_grad()
        value.backward()
        step.step()
    with torch.no_grad():
        losses.append(loss(x, weight))
    return Run(weight.detach(), torch.stack(losses))


def paths_apart(
    loss: Loss,
    x: Tensor,
    w: Tensor,
    optimiser: Optimiser,
    settings: Settings,
    a: float,
    adjusted: bool = True,
    steps: int = 50,
) -> float:
    """How far apart the runs of (x, w) and of (ax, aw) end, relative to the way that is gone.

    ``adjusted``: whether the settings of the second are those of :func:`at_scale`.
    """
    here = descend(loss, x, w, optimiser, settings, steps).weight
    used = at_scale(optimiser, settings, a) if adjusted else settings
    there = descend(loss, a * x, a * w, optimiser, used, steps).weight
    return float((there / a - here).norm() / (here - w).norm())
