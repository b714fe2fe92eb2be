"""The figures of the chapter on scale invariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import nan

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

FLOOR = 1e-17  # on a logarithmic axis, what is smaller, 0 too, is drawn here

Curves = Mapping[str, Sequence[float]]


def changes(panels: Mapping[str, Curves], scales: Sequence[float]) -> Figure:
    """The change of probabilities against the scale factor: a panel a way of scaling."""
    figure, row = plt.subplots(1, len(panels), figsize=(WIDTH, 3.8), sharey=True, squeeze=False)
    for axes, (title, curves) in zip(row[0], panels.items(), strict=True):
        for (name, values), marker, colour in zip(
            curves.items(), cycle("ov^s*DPXd"), cycle(COLOURS)
        ):
            axes.plot(scales, values, marker=marker, ms=4, lw=1.1, color=colour, label=name)
        axes.set(title=title, xscale="log", ylim=(-0.03, 1), xlabel="factor $a$")
        axes.set_xticks([1 / 64, 1 / 8, 1, 8, 64], ["1/64", "1/8", "1", "8", "64"])
        axes.minorticks_off()
    row[0][0].set_ylabel("largest change of a probability")
    handles, labels = row[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=5, fontsize=9)
    return figure


def losses(panels: Mapping[str, Curves], scales: Sequence[float], guess: float) -> Figure:
    """The loss against the scale factor; a line at the loss of a uniform ``guess``."""
    figure, row = plt.subplots(1, len(panels), figsize=(WIDTH, 3.4), sharey=True, squeeze=False)
    for axes, (title, curves) in zip(row[0], panels.items(), strict=True):
        for (name, values), dashes in zip(
            curves.items(), cycle(("-", "--", "-.", ":", (0, (5, 1))))
        ):
            axes.plot(scales, values, linestyle=dashes, lw=1.8, label=name)
        axes.axhline(guess, color=INK, lw=0.8)
        axes.set(title=title, xscale="log", yscale="log", xlabel="factor $a$", ylim=(1e-3, 30))
        axes.xaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_major_formatter(PLAIN)
    row[0][0].text(scales[0], guess * 1.15, "uniform guess", fontsize=8.5)
    row[0][0].set_ylabel("loss")
    handles, labels = row[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=5, fontsize=9)
    return figure


def descents(panels: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """The loss while training, a panel a choice of settings and a line a scale."""
    figure, row = plt.subplots(1, len(panels), figsize=(WIDTH, 2.9), sharey=True, squeeze=False)
    for axes, (title, curves) in zip(row[0], panels.items(), strict=True):
        for (name, values), dashes in zip(curves.items(), cycle(("-", (0, (6, 2)), ":"))):
            axes.plot(values, linestyle=dashes, lw=2.2, label=name)
        axes.set(title=title, xlabel="step", yscale="log")
        axes.set_yticks([0.1, 0.2, 0.5, 1, 2], labels=["0.1", "0.2", "0.5", "1", "2"])
        axes.minorticks_off()
        axes.set_ylim(float(min(curve.min() for curve in curves.values())) * 0.9)
    row[0][0].set_ylabel("training loss")
    row[0][0].legend()
    return figure


def released(panels: Mapping[str, Curves], scales: Sequence[float]) -> Figure:
    """The change of probabilities of released layers, a panel a family; ``ours`` is dotted.

    A gap at scale 1, where nothing changes.
    """
    figure, grid = plt.subplots(3, 3, figsize=(WIDTH, 6.6), sharex=True, sharey=True)
    for axes, (family, curves) in zip(grid.flat, panels.items(), strict=False):
        styles = cycle(("-", "--", "-."))
        for k, (name, values) in enumerate(curves.items()):
            ours = name == "ours"
            axes.plot(
                scales,
                [nan if a == 1 else max(v, FLOOR) for a, v in zip(scales, values, strict=True)],
                color=INK if ours else COLOURS[k],
                linestyle=":" if ours else next(styles),
                lw=1.6,
                label=name,
            )
        axes.set(title=family, xscale="log", yscale="log", ylim=(FLOOR / 3, 3))
        axes.legend(fontsize=8, loc="upper right", bbox_to_anchor=(1, 0.63), labelspacing=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("factor $a$")
    figure.supylabel("largest change of a probability", fontsize=10.5)
    return figure
