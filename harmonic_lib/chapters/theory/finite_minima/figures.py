"""The figures of the chapter on finite minima."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH


def landscapes(
    side: Tensor, losses: Mapping[str, Tensor], crosses: Sequence[Tensor], rings: Sequence[Tensor]
) -> Figure:
    """The loss over two prototypes on a line, a panel each; bright is low.

    Args:
        side: (S,) the places of either prototype.
        losses: by title, (S, S): rows are places of the first prototype.
        crosses: of each panel, the minima that are attained, (M, 2).
        rings: of each panel, the places where it is only approached, (M, 2).
    """
    figure, panels = plt.subplots(1, len(losses), figsize=(WIDTH, 3.7), sharey=True, squeeze=False)
    low = math.floor(10 * min(float(values.min()) for values in losses.values())) / 10
    levels = torch.linspace(low, low + 3, 25).tolist()
    for axes, (title, values), cross, ring in zip(
        panels[0], losses.items(), crosses, rings, strict=True
    ):
        filled = axes.contourf(
            side, side, values.T.clamp(max=low + 2.999), levels, cmap="viridis_r"
        )
        axes.plot(*cross.T, "X", color="white", mec="black", ms=9, ls="none")
        axes.plot(*ring.T, "o", mfc="none", mec="white", mew=2, ms=10, ls="none")
        axes.set(title=title, xlabel="prototype of class A", aspect="equal")
        axes.grid(False)
    panels[0, 0].set_ylabel("prototype of class B")
    bar = figure.colorbar(filled, ax=panels, ticks=[round(low + step, 1) for step in range(4)])
    bar.set_label("loss (darkest: that or more)")
    bar.outline.set_visible(False)
    return figure


def ways_out(far: Tensor, losses: Mapping[str, Tensor], levels: Mapping[str, float]) -> Figure:
    """The loss over how far away the prototypes are, a line a way of going.

    ``levels`` are at most two dotted lines, the name of the first above, of the second below it.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    dashes = ("-", "--", "-.", (0, (5, 1, 1, 1)))
    for (name, values), dash in zip(losses.items(), dashes, strict=False):
        axes.plot(far, values, label=name, ls=dash)
    for (name, level), lift in zip(levels.items(), (4, -14), strict=False):
        axes.axhline(level, color=INK, ls=":", lw=1)
        end = (float(far[-1]), level)
        axes.annotate(name, end, (0, lift), "data", "offset points", ha="right")
    top = 2 * max(levels.values())
    axes.set(xscale="log", xlabel="factor t", ylabel="loss a sample", ylim=(0, top))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.legend(loc="upper right")
    return figure


def scaled_alone(factors: Tensor, losses: Mapping[str, Tensor], ends: Sequence[float]) -> Figure:
    """The loss of weights times a factor, inputs as they are; ``ends`` are dotted levels."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    for (name, values), dash in zip(losses.items(), ("-", "--"), strict=True):
        axes.plot(factors, values, dash, label=name)
        if name == "harmonic":
            best = int(values.argmin())
            axes.plot(factors[best], values[best], "o", color=axes.lines[-1].get_color(), ms=7)
    for end in ends:
        axes.axhline(end, color=INK, ls=":", lw=1)
    bottom = min(float(values.min()) for name, values in losses.items() if name == "harmonic")
    axes.set(xscale="log", yscale="log", ylim=(bottom / 100, 3 * max(ends)))
    axes.set(xlabel="factor a of the weights", ylabel="loss a sample")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.legend(loc="lower left")
    return figure


def hulls(x: Tensor, y: Tensor, weights: Mapping[str, Tensor]) -> Figure:
    """Samples of the plane, the hull of each class, and prototypes, a panel each."""
    from scipy.spatial import ConvexHull

    figure, panels = plt.subplots(
        1, len(weights), figsize=(WIDTH, 3.7), sharex=True, sharey=True, squeeze=False
    )
    marks = "os^"
    for axes, (title, weight) in zip(panels[0], weights.items(), strict=True):
        for k, w in enumerate(weight):
            points, colour = x[y == k], COLOURS[k]
            around = points[torch.from_numpy(ConvexHull(points.numpy()).vertices).long()]
            axes.fill(*around.T, facecolor=(*colour, 0.15), edgecolor=colour, lw=1.2)
            axes.plot(*points.T, marks[k % 3], color=colour, ms=4, ls="none")
            axes.plot(*w, "X", color=colour, mec=INK, mew=1, ms=12, ls="none")
        axes.set(title=title, aspect="equal", xticks=[], yticks=[])
        axes.grid(False)
    return figure
