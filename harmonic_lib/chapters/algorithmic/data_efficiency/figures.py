"""The figures of the chapter on data efficiency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.reported_figure import MARKS, lines
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

LEVEL = 90


class Point(Protocol):
    """The S seeds of a head at a train fraction: (S,) accuracies."""

    @property
    def test(self) -> Tensor: ...
    @property
    def unseen(self) -> Tensor: ...
    @property
    def train(self) -> Tensor: ...


def recorded(
    curves: Mapping[str, Mapping[str, Mapping[float, Point]]],
    leak: Mapping[str, Mapping[float, float]],
    floor: Mapping[str, float],
) -> Figure:
    """A row a task: accuracy on all test facts, and beside it on the unseen ones, on one axis.

    A mark a seed, a line through the medians. A seed that ends below 90 % of its own training
    facts is hollow. Tasks without any seeds say so.

    Args:
        curves: by task, head and train fraction.
        leak: by task, the share of test facts that are training facts, by fraction.
        floor: by task, what the commonest answer scores.
    """
    figure, panels = plt.subplots(
        len(curves),
        2,
        figsize=(WIDTH, 1.75 * len(curves) + 0.9),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for (left, right), (name, heads) in zip(panels, curves.items(), strict=True):
        for k, (head, points) in enumerate(heads.items()):
            seeds_along(left, {f: (p.test, p.train) for f, p in points.items()}, k, head)
            seeds_along(right, {f: (p.unseen, p.train) for f, p in points.items()}, k, head)
        lines(left, leak[name], floor[name])
        lines(right, None, floor[name])
        right.axhline(LEVEL, color=INK, lw=0.8)
        if not any(heads.values()):
            for axes in (left, right):
                axes.text(0.5, 50, "not recorded yet", ha="center", va="center", color=INK)
        left.set_ylabel(f"{name}\n(%)")
    panels[0, 0].set_title("all test facts")
    panels[0, 1].set_title("unseen test facts alone")
    panels[0, 0].set(ylim=(-4, 105), xlim=(0.05, 0.95), xticks=[0.1, 0.3, 0.5, 0.7, 0.9])
    for axes in panels[-1]:
        axes.set_xlabel("train fraction")
    figure.align_ylabels(panels[:, 0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    hollow = Line2D([], [], marker="o", ls="none", ms=4, mfc="none", mec=INK)
    handles, labels = [*handles, hollow], [*labels, "seed that has not fitted"]
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def seeds_along(
    axes: Axes, points: Mapping[float, tuple[Tensor, Tensor]], k: int, label: str
) -> None:
    """Marks of seeds by fraction, hollow where the second number is no more than 90 %."""
    beside = 0.012 * (k - 0.5)
    for fraction, (seeds, train) in points.items():
        for value, fitted in zip(100 * seeds, 100 * train > LEVEL, strict=True):
            inside = COLOURS[k] if fitted else "none"
            place = [fraction + beside], [float(value)]
            axes.plot(*place, MARKS[k], ms=3.5, mfc=inside, mec=COLOURS[k], mew=0.8, alpha=0.7)
    medians = [100 * float(np.nanmedian(seeds.numpy())) for seeds, _ in points.values()]
    axes.plot([f + beside for f in points], medians, color=COLOURS[k], lw=1.4, label=label)


def live(
    curves: Mapping[str, Mapping[int, Tensor]],
    floor: float,
    follows: Mapping[int, Tensor] | None = None,
    least: int | None = None,
) -> Figure:
    """Accuracy on unseen facts against the number of training draws, on a logarithmic axis.

    Args:
        curves: by head and number of draws, (S,) accuracies: a mark a seed, medians joined.
        floor: what the commonest answer scores: dotted.
        follows: by number of draws, (S,) shares of the facts not trained on that follow from
            those that are: a grey line through the means.
        least: fewer facts determine not all others: a vertical line.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    if follows:
        shares = [100 * float(each.mean()) for each in follows.values()]
        axes.plot(list(follows), shares, color=INK, lw=2, label="follows from the training facts")
    for k, (head, points) in enumerate(curves.items()):
        for draws, seeds in points.items():
            at = draws * 1.02 ** (np.arange(len(seeds)) - (len(seeds) - 1) / 2)
            axes.plot(at, 100 * seeds, MARKS[k], ms=5, color=COLOURS[k], alpha=0.7)
        medians = [100 * float(np.nanmedian(seeds.numpy())) for seeds in points.values()]
        axes.plot(list(points), medians, color=COLOURS[k], marker=MARKS[k], ms=3, label=head)
    axes.axhline(100 * floor, color=INK, lw=1.3, ls=":", label="commonest answer")
    if least is not None:
        axes.axvline(least, color=INK, lw=1, ls="--", label=f"{least} facts")
    ticks = sorted({draws for points in curves.values() for draws in points})
    axes.set(xscale="log", ylim=(-3, 104), xlabel="draws to train on")
    axes.set_ylabel("accuracy on unseen\ntest facts (%)")
    axes.set_xticks([*([least] if least is not None else []), *ticks])
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_locator(NullLocator())
    figure.legend(loc="outside lower center", ncols=3)
    return figure
