"""The figures of the chapter on equivalence classes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Protocol

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from torch import Tensor

from harmonic_lib.measure.embedding import projection
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH


def accuracies(runs: Mapping[str, tuple[Tensor, Tensor, Tensor]], floor: float) -> Figure:
    """Accuracy by epoch, a panel a head: all test facts, those that are "same", balanced.

    Args:
        runs: by head, (epochs, S) of each of the three; a thin line a seed.
        floor: what the commonest answer scores: dotted.
    """
    figure, panels = plt.subplots(
        1, len(runs), figsize=(WIDTH, 3.4), sharex=True, sharey=True, squeeze=False
    )
    labels = ("all test facts", "those that are “same”", "balanced")
    styles = ("-", "--", "-.")
    for axes, (name, curves) in zip(panels.flat, runs.items(), strict=True):
        for k, seeds in enumerate(curves):
            epochs = torch.arange(1, len(seeds) + 1)
            lines = axes.plot(epochs, 100 * seeds, styles[k], color=COLOURS[k], lw=1.1)
            lines[0].set_label(labels[k])
        axes.axhline(100 * floor, color=INK, lw=1.3, ls=":", label="always “different”")
        axes.set(title=name, xlabel="epoch", xscale="log", ylim=(-3, 104))
        axes.xaxis.set_major_formatter(PLAIN)
    panels[0, 0].set_ylabel("accuracy (%)")
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def distances(tables: Mapping[str, Tensor], labels: Tensor) -> Figure:
    """The distances between all rows of a table, sorted by class: a panel a table.

    In units of the mean distance of two rows of different classes. The classes of each table
    stand in the order of their means along its first principal axis.
    """
    figure, panels = plt.subplots(1, len(tables), figsize=(WIDTH, WIDTH / 2 + 0.1), squeeze=False)
    for axes, (name, table) in zip(panels.flat, tables.items(), strict=True):
        along = projection(table, 1)[:, 0]
        classes = labels.unique().tolist()
        classes.sort(key=lambda c, along=along: float(along[labels == c].mean()))
        order = torch.cat([(labels == c).nonzero().flatten() for c in classes])
        ends = [0, *labels.bincount()[classes].cumsum(0).tolist()]
        different = labels[order].unsqueeze(0) != labels[order].unsqueeze(1)
        away = torch.cdist(table[order].double(), table[order].double())
        shades = (away / away[different].mean()).numpy()
        image = axes.imshow(shades, cmap="viridis", vmin=0, vmax=2)
        for end in ends[1:-1]:
            axes.axhline(end - 0.5, color="white", lw=0.8)
            axes.axvline(end - 0.5, color="white", lw=0.8)
        centres = [(a + b - 1) / 2 for a, b in pairwise(ends)]
        axes.set_xticks(centres, classes)
        axes.set_yticks(centres, classes)
        axes.set(title=name, xlabel="class")
        axes.grid(False)
    panels[0, 0].set_ylabel("class")
    bar = figure.colorbar(image, ax=panels, shrink=0.7, pad=0.02)
    bar.set_label("distance")
    return figure


Colour = str | tuple[float, float, float]


class Places(Protocol):
    """Points along and off the axis through two prototypes, (N, 2) each."""

    @property
    def same(self) -> Tensor: ...
    @property
    def different(self) -> Tensor: ...
    @property
    def numbers(self) -> Tensor: ...


def decision(runs: Mapping[str, Places], least: float = 1e-3) -> Figure:
    """Features and prototypes around the axis through the two answers, a panel a run.

    Along the axis, the prototype of "same" is at 0 and that of "different" at 1. Distances
    from the axis are on a logarithmic scale; what is below ``least`` is drawn there.
    """
    figure, panels = plt.subplots(
        1, len(runs), figsize=(WIDTH, 3.9), sharex=True, sharey=True, squeeze=False
    )
    for axes, (name, run) in zip(panels.flat, runs.items(), strict=True):
        groups: list[tuple[str, Tensor, str, Colour]] = [
            ("numbers, never answers", run.numbers, "o", INK),
            ("features of “same”", run.same, ".", COLOURS[1]),
            ("features of “different”", run.different, ".", COLOURS[0]),
        ]
        for label, points, mark, colour in groups:
            off = points[:, 1].clamp_min(least)
            axes.plot(points[:, 0], off, mark, ms=4, mew=0, alpha=0.55, color=colour, label=label)
        ends = {0.0: COLOURS[1], 1.0: COLOURS[0]}
        for end, colour in ends.items():
            axes.plot(end, least, "*", ms=15, mfc=colour, mec=INK, clip_on=False, zorder=5)
        axes.axvline(0.5, color=INK, lw=1, ls=":")
        axes.set(title=name, yscale="log", xscale="symlog", ylim=(least, None))
        axes.xaxis.set_major_locator(FixedLocator([-10, -1, 0, 1, 10]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_major_formatter(PLAIN)
        axes.set_xlabel("along the axis (s)")
    panels[0, 0].set_ylabel("away from it (s)")
    panels[0, 0].plot([], [], "*", ms=6, mfc="none", mec=INK, ls="none", label="the two answers")
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, markerscale=1.8)
    return figure
