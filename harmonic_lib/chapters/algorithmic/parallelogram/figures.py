"""The figures of the chapter on parallelograms alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.figures import DASHES, MARKS
from harmonic_lib.plots.style import COLOURS, INK, WIDTH


def quads(panels: Mapping[str, tuple[Tensor, Sequence[int]]]) -> Figure:
    """A panel for each set of points (V, 2), with one quad a, b, c, d of its rows drawn.

    The sides run a, b, d, c and back; the quad's corners are named.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 0.42 * WIDTH), squeeze=False)
    for panel, (title, (points, quad)) in zip(axes.flat, panels.items(), strict=True):
        x, y = points.T.tolist()
        panel.plot(x, y, "o", ms=3.5, color=INK)
        a, b, c, d = quad
        around = [a, b, d, c, a]
        panel.plot([x[k] for k in around], [y[k] for k in around], color=COLOURS[1], lw=1.6)
        centre = points[list(quad)].mean(0)
        for name, k in zip("abcd", quad, strict=True):
            away = points[k] - centre
            offset = (11 * away / away.norm()).tolist()
            panel.plot(x[k], y[k], "o", ms=6, color=COLOURS[0])
            panel.annotate(
                name, (x[k], y[k]), offset, textcoords="offset points", ha="center", va="center"
            )
        panel.set(aspect="equal", xticks=[], yticks=[], title=title)
        panel.margins(0.18)
        panel.grid(False)
        for spine in panel.spines.values():
            spine.set_visible(False)
    return figure


def by_epoch(runs: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """A panel a quantity, over the epoch: a line a seed, a colour a head.

    Args:
        runs: by head and quantity, (epochs, S).
    """
    quantities = list(next(iter(runs.values())))
    figure, panels = plt.subplots(
        len(quantities), 1, figsize=(WIDTH, 1.75 * len(quantities) + 0.5), sharex=True
    )
    for panel, quantity in zip(panels, quantities, strict=True):
        for k, each in enumerate(runs.values()):
            values = each[quantity]
            at = torch.arange(1, len(values) + 1)
            panel.plot(at, values, color=COLOURS[k], ls=DASHES[k], lw=1.1, alpha=0.75)
        top = float(max(each[quantity].max() for each in runs.values()))
        panel.set(ylabel=quantity, ylim=(0, 1.05 * top))
    for k, name in enumerate(runs):
        panels[0].plot([], [], color=COLOURS[k], ls=DASHES[k], label=name)
    panels[-1].set_xlabel("epoch")
    figure.align_ylabels(panels)
    figure.legend(loc="outside lower center", ncols=len(runs))
    return figure


def bulge(squares: Tensor, heights: Mapping[str, Tensor]) -> Figure:
    """Height above a plane against the squared distance from the middle: a dot a point and seed.

    Args:
        squares: (V,) squared distances.
        heights: by head, (S, V).
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
    for k, (name, rows) in enumerate(heights.items()):
        beside = squares + 0.14 * (k - (len(heights) - 1) / 2)
        for row in rows:
            axes.plot(beside, row, MARKS[k], ms=4, color=COLOURS[k], alpha=0.45, mew=0)
        axes.plot([], [], MARKS[k], ms=5, color=COLOURS[k], label=name)
    axes.set(xlabel="squared distance from the middle of the grid")
    axes.set_ylabel("third axis\n(share of the spread)")
    figure.legend(loc="outside lower center", ncols=len(heights))
    return figure
