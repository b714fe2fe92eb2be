"""What a distance looks like: its balls, its regions, its slopes, and how it does on the digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.distances import Distance
from harmonic_lib.harmax import harmax
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH
from harmonic_lib.statistics import Interval

SIDE = 241  # points along each side of a map
LINES = 8  # of equal distance in a map of balls


def panels(number: int, high: float = 1.12) -> tuple[Figure, list[Axes]]:
    """Square panels side by side, at most four in a row."""
    columns = min(number, 4)
    rows = -(-number // columns)
    side = WIDTH / max(columns, 2)
    figure, grid = plt.subplots(
        rows, columns, figsize=(side * columns, side * rows * high), squeeze=False
    )
    for axes in grid.flat[number:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:number])


def plane(span: float) -> tuple[Tensor, Tensor]:
    """The coordinates along a side, and the points of the map: (S,), (S, S, 2)."""
    side = torch.linspace(-span, span, SIDE, dtype=torch.float64)
    return side, torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)


def balls(
    distances: Mapping[str, Distance], centre: Sequence[float] = (0.0, 0.0), span: float = 1.6
) -> Figure:
    """Lines of equal distance from a centre, one map a distance; d = 1 is drawn thick.

    The ball inside d = 1 is shaded. Thin lines are at equal steps of the distance, up to the
    largest on the map.
    """
    side, points = plane(span)
    w = torch.tensor([centre], dtype=torch.float64)
    figure, all_axes = panels(len(distances))
    for axes, (name, distance) in zip(all_axes, distances.items(), strict=True):
        with torch.no_grad():
            d = distance(points, w)[..., 0].numpy()
        top = float(np.quantile(d[np.isfinite(d)], 0.98))
        steps = np.linspace(0, top, LINES + 1)[1:]
        axes.contourf(side, side, d, [-1.0, 1.0], colors=[COLOURS[0]], alpha=0.18)
        axes.contour(side, side, d, steps, colors=INK, linewidths=0.6, alpha=0.7)
        if d.min() < 1 < d.max():
            axes.contour(side, side, d, [1.0], colors=[COLOURS[0]], linewidths=2.0)
        axes.plot(*centre, "X", color=COLOURS[1], mec="black", ms=7)
        bare(axes, name, span)
    return figure


def regions(
    distances: Mapping[str, Distance], prototypes: Tensor, exponent: float, span: float = 2.2
) -> Figure:
    """Who is nearest, the stronger the colour the more probable; one map a distance.

    Thin lines: where the nearest prototype has probability 0.5, 0.9 and 0.99. Prototypes are
    crosses.
    """
    side, points = plane(span)
    w = prototypes.double()
    colours = np.array(COLOURS)
    figure, all_axes = panels(len(distances))
    for axes, (name, distance) in zip(all_axes, distances.items(), strict=True):
        with torch.no_grad():
            p = harmax(distance(points, w), exponent)
        probability, nearest = p.max(-1)
        certainty = ((probability - 1 / len(w)) / (1 - 1 / len(w))).clamp(0, 1)
        image = np.dstack([colours[nearest.numpy()], 0.1 + 0.7 * certainty.numpy()])
        axes.imshow(image, extent=(-span, span, -span, span), origin="lower")
        axes.contour(side, side, probability, [0.5, 0.9, 0.99], colors=INK, linewidths=0.5)
        for k, place in enumerate(w):
            axes.plot(*place, "X", color=COLOURS[k], mec="black", mew=1, ms=8)
        bare(axes, name, span)
    return figure


def slopes(
    distances: Mapping[str, Distance], centre: Sequence[float] = (0.0, 0.0), span: float = 1.6
) -> Figure:
    """The gradient of d(x, w) in x: arrows for its direction, shades for its length."""
    figure, all_axes = panels(len(distances), high=1.2)
    w = torch.tensor([centre], dtype=torch.float64)
    _, points = plane(span)
    few = points[10::20, 10::20]
    for axes, (name, distance) in zip(all_axes, distances.items(), strict=True):
        field = gradient(distance, points, w)
        length = torch.linalg.vector_norm(field, dim=-1)
        top = float(length[length.isfinite()].quantile(0.98)) or 1.0
        shown = axes.imshow(
            length,
            extent=(-span, span, -span, span),
            origin="lower",
            cmap="viridis",
            vmin=0.0,
            vmax=top,
            alpha=0.75,
        )
        arrows = torch.nn.functional.normalize(gradient(distance, few, w), dim=-1)
        axes.quiver(
            few[..., 0],
            few[..., 1],
            arrows[..., 0],
            arrows[..., 1],
            color="white",
            edgecolor="black",  # white alone is lost on the brightest shades
            linewidth=0.4,
            scale=16,
        )
        axes.plot(*centre, "X", color=COLOURS[1], mec="black", ms=7)
        bare(axes, name, span)
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, location="bottom", pad=0.02)
        bar.ax.tick_params(labelsize=8)
    return figure


def gradient(distance: Distance, points: Tensor, w: Tensor) -> Tensor:
    """The gradient of d(x, w) in x at each point, by autograd: (..., 2)."""
    x = points.clone().requires_grad_()
    (found,) = torch.autograd.grad(distance(x, w).sum(), x)
    return found


def bare(axes: Axes, name: str, span: float) -> None:
    """A map without ticks, titled."""
    axes.set(xlim=(-span, span), ylim=(-span, span), xticks=[], yticks=[], aspect="equal")
    axes.set_title(name)
    axes.grid(False)


Curve = Mapping[float, Interval]
"""By exponent: a mean over seeds with its interval."""


def sweep(curves: Mapping[str, Curve], label: str, roots: Sequence[float] = (8.0,)) -> Figure:
    """Test accuracy by exponent, a line a head, bars for the 95 % interval over seeds.

    Dotted: the exponents of ``roots``, such as the square root of the dimension.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    for colour, marker, (name, curve) in zip(
        [*COLOURS, *COLOURS], "osD^vP*Xhosd^vP*Xhos", curves.items(), strict=False
    ):
        exponents = list(curve)
        means = [curve[n].mean for n in exponents]
        axes.errorbar(
            exponents,
            means,
            [curve[n].half_width for n in exponents],
            marker=marker,
            ms=5,
            lw=1.2,
            capsize=2,
            color=colour,
            label=name,
        )
    for root in roots:
        axes.axvline(root, color=INK, ls=":", lw=1)
    axes.set(xscale="log", xlabel=label, ylabel="test accuracy")
    axes.xaxis.set_major_formatter(PLAIN)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.01))  # the bars of two seeds may pass 1
    columns = 3 if max(map(len, curves)) <= 24 else 2
    figure.legend(loc="outside upper center", fontsize=9, ncols=columns)
    return figure
