"""Heads in training on a few points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Protocol

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from harmonic_lib.plots.regions import decision_regions
from harmonic_lib.plots.style import INK, PLAIN, WIDTH
from harmonic_lib.plots.style import style as style


class Trajectory(Protocol):
    """One head as it was trained on a few points: what was seen after each of ``steps``."""

    @property
    def name(self) -> str: ...
    @property
    def points(self) -> Tensor: ...
    @property
    def steps(self) -> Tensor: ...
    @property
    def loss(self) -> Tensor: ...
    @property
    def norm(self) -> Tensor: ...
    def at(self, step: int) -> nn.Module: ...


def regions_in_training(
    runs: Sequence[Trajectory], steps: Sequence[int], span: float = 2.2
) -> Figure:
    """Decision regions, a row a head, a column a step."""
    figure, grid = plt.subplots(
        len(runs),
        len(steps),
        figsize=(WIDTH, WIDTH / len(steps) * len(runs) * 1.08),
        squeeze=False,
    )
    for row, run in zip(grid, runs, strict=True):
        labels = torch.arange(len(run.points))
        for axes, step in zip(row, steps, strict=True):
            decision_regions(axes, run.at(step), run.points, labels, span)
        row[0].set_ylabel(run.name)
    for axes, step in zip(grid[0], steps, strict=True):
        axes.set_title(f"step {step:,}")
    return figure


def norms_and_losses(
    runs: Mapping[str, Sequence[Trajectory]], floors: Mapping[str, float]
) -> Figure:
    """The norm of the weights and the loss of each head, a column a set of points."""
    figure, grid = plt.subplots(2, len(runs), figsize=(WIDTH, 5.4), sharex=True, squeeze=False)
    for column, (points, heads) in zip(grid.T, runs.items(), strict=True):
        for run, dashes in zip(heads, cycle(("-", "--")), strict=False):
            column[0].plot(run.steps[1:], run.norm[1:], dashes, label=run.name)
            column[1].plot(run.steps[1:], run.loss[1:].clamp_min(1e-17), dashes)
        column[1].axhline(floors[points], color=INK, ls="--", lw=1)
        column[1].annotate("floor by formula", (1, floors[points]), (0, 4), "data", "offset points")
        column[0].set(title=points, xscale="log", yscale="log", yticks=(1, 2, 5, 10, 20))
        column[0].yaxis.set_major_formatter(PLAIN)
        column[0].yaxis.set_minor_locator(NullLocator())
        column[1].set(xlabel="step", xscale="log", yscale="log", ylim=(1e-17, 10))
    grid[0, 0].set_ylabel("length of the weight matrix")
    grid[1, 0].set_ylabel("loss")
    grid[0, 0].legend()
    return figure
