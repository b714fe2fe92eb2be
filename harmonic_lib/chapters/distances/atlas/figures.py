"""All families side by side: regions at one sharpness, orders of pairs, accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.chapters.distances.common.figures import Curve, bare, plane
from harmonic_lib.distances import Distance
from harmonic_lib.harmax import harmax
from harmonic_lib.measure.sharpness import matched_exponent
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

MARKERS = "osD^vP*Xh"


def regions(
    distances: Mapping[str, Distance],
    prototypes: Tensor,
    sharpness: float,
    span: float = 2.2,
) -> Figure:
    """Who is nearest, a map a distance, each with the exponent that gives it ``sharpness``.

    That sharpness is the one on the map: the deviation of the logits over the prototypes, on
    average over its points. The stronger the colour, the more probable. Thin lines: where the
    nearest prototype has probability 0.5, 0.9 and 0.99. White: several are equally near.
    """
    _, points = plane(span)
    w = prototypes.double()
    columns = min(len(distances), 3)
    rows = -(-len(distances) // columns)
    side = WIDTH / 3
    figure, grid = plt.subplots(
        rows, columns, figsize=(side * columns, 1.12 * side * rows), squeeze=False
    )
    for axes in grid.flat[len(distances) :]:
        axes.set_axis_off()
    for axes, (name, distance) in zip(grid.flat, distances.items(), strict=False):
        with torch.no_grad():
            dist = distance(points, w)
        exponent = matched_exponent(dist, sharpness)
        one_map(axes, dist, exponent, span)
        for k, place in enumerate(w):
            axes.plot(*place, "X", color=COLOURS[k], mec="black", mew=1, ms=8)
        bare(axes, f"{name}, n = {exponent:.2g}", span)
    return figure


def one_map(axes: Axes, dist: Tensor, exponent: float, span: float) -> None:
    """Colours and lines of one map; dist: (S, S, K)."""
    side, _ = plane(span)
    p = harmax(dist, exponent)
    probability, nearest = p.max(-1)
    certainty = ((probability - 1 / p.shape[-1]) / (1 - 1 / p.shape[-1])).clamp(0, 1)
    first, second = dist.topk(2, largest=False).values.unbind(-1)
    tie = second - first <= 1e-12 * second
    alpha = (0.15 + 0.7 * certainty) * ~tie
    image = np.dstack([np.array(COLOURS)[nearest.numpy()], alpha.numpy()])
    axes.imshow(image, extent=(-span, span, -span, span), origin="lower")
    axes.contour(side, side, probability, [0.5, 0.9, 0.99], colors=INK, linewidths=0.5)


def agreement(names: Sequence[str], table: Tensor) -> Figure:
    """A heat map of correlations, (M, M), its numbers written in."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.78 * WIDTH))
    shown = axes.imshow(table.numpy(), cmap="viridis", vmin=min(0.0, float(table.min())), vmax=1.0)
    low, high = shown.get_clim()
    for i, row in enumerate(table.tolist()):
        for j, value in enumerate(row):
            colour = "white" if value < low + 0.65 * (high - low) else "black"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=35, ha="right")
    axes.set_yticks(ticks, names)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    figure.colorbar(shown, ax=axes, shrink=0.85, label="Kendall's rank correlation")
    return figure


def matched(curves: Mapping[str, Curve], others: Mapping[str, Curve]) -> Figure:
    """Accuracy by sharpness: a line a family with bars, the other forms as thin grey lines.

    The keys of a curve are its sharpnesses; its intervals are drawn as bars.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 4.6))
    for curve in others.values():
        axes.plot(list(curve), [i.mean for i in curve.values()], color=INK, lw=0.8, alpha=0.6)
    for colour, marker, (name, curve) in zip(COLOURS, MARKERS, curves.items(), strict=False):
        means = [i.mean for i in curve.values()]
        bars = [i.half_width for i in curve.values()]
        axes.errorbar(
            list(curve),
            means,
            bars,
            marker=marker,
            ms=5,
            lw=1.3,
            elinewidth=0.8,
            capsize=2,
            color=colour,
            label=name,
        )
    axes.set(
        xscale="log",
        xlabel="sharpness at the start: exponent × spread of log d",
        ylabel="test accuracy",
    )
    axes.xaxis.set_major_formatter(PLAIN)
    axes.legend(fontsize=9, ncols=3, loc="lower right")
    return figure
