"""The figures of the chapter on generalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, WIDTH


class HasValue(Protocol):
    """A bound."""

    @property
    def value(self) -> float: ...


class Judged(Protocol):
    """A classifier with its margins, errors and bounds."""

    @property
    def distance(self) -> Tensor: ...
    @property
    def log_ratio(self) -> Tensor: ...
    @property
    def metric(self) -> HasValue: ...
    @property
    def squared(self) -> HasValue: ...
    @property
    def held_out(self) -> float: ...
    @property
    def train_error(self) -> float: ...
    @property
    def test_error(self) -> float: ...


def margins(heads: Mapping[str, Sequence[Judged]]) -> Figure:
    """The share of the sample at or below each margin, of the first seed of each head."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3), sharey=True)
    for (name, runs), colour in zip(heads.items(), COLOURS, strict=False):
        dashes = "--" if "shuffled" in name else "-"
        shares(left, runs[0].distance, dashes, colour, name)
        shares(right, runs[0].log_ratio, dashes, colour, name)
    left.set(xlabel="distance margin", ylabel="share at or below")
    right.set(xlabel="log-ratio margin")
    left.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (left, right):
        axes.axvline(0, color=INK, lw=0.8)
    right.legend(loc="lower right", fontsize=9)
    return figure


def shares(axes: Axes, margin: Tensor, dashes: str, colour: object, name: str) -> None:
    """One empirical distribution, as a line of steps."""
    values = np.sort(margin.numpy())
    height = np.arange(1, len(values) + 1) / len(values)
    axes.step(values, height, dashes, where="post", color=colour, label=name, lw=1.6)


def bounds_of_heads(heads: Mapping[str, Sequence[Judged]], guess: float) -> Figure:
    """A row a head: errors and bounds, means over seeds; ``guess``: the error of guessing."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.42 * len(heads) + 1.5))
    rows = range(len(heads), 0, -1)
    marks = {
        "training error": ("o", [[run.train_error for run in runs] for runs in heads.values()]),
        "test error": ("D", [[run.test_error for run in runs] for runs in heads.values()]),
        "bound by test set": ("|", [[run.held_out for run in runs] for runs in heads.values()]),
        "metric bound": ("s", [[run.metric.value for run in runs] for runs in heads.values()]),
        "squared bound": ("x", [[run.squared.value for run in runs] for runs in heads.values()]),
    }
    for (label, (mark, values)), colour in zip(marks.items(), COLOURS, strict=False):
        size = 12 if mark == "|" else 6
        means = [fmean(row) for row in values]
        axes.plot(means, rows, mark, color=colour, ms=size, mew=2, label=label, clip_on=False)
    axes.axvline(guess, color=INK, ls="--", lw=1)
    axes.annotate("guessing", (guess, len(heads) + 0.55), ha="right", xytext=(-3, 0),
                  textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    axes.set(yticks=rows, yticklabels=heads, xlim=(0, 1), ylim=(0.5, len(heads) + 0.8))
    axes.set_xlabel("share of errors")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def growing(runs: Sequence[tuple[int, Judged]]) -> Figure:
    """Errors and bounds against the size of the sample, on logarithmic axes."""
    figure, axes = plt.subplots(figsize=(WIDTH * 0.75, 3.4))
    sizes = [size for size, _ in runs]
    lines = {
        "squared bound": ("x-", [run.squared.value for _, run in runs], COLOURS[4]),
        "metric bound": ("s-", [run.metric.value for _, run in runs], COLOURS[3]),
        "error on new points": ("D-", [run.test_error for _, run in runs], COLOURS[1]),
    }
    for label, (mark, values, colour) in lines.items():
        axes.plot(sizes, values, mark, color=colour, label=label)
    axes.set(xscale="log", yscale="log", xlabel="size of the sample", ylabel="share of errors")
    axes.set_ylim(top=1.2)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure
