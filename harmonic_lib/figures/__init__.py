"""Every figure of the book, in one style; those of one chapter alone are in its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from harmonic_lib.figures.style import COLOURS, INK, PLAIN, WIDTH
from harmonic_lib.figures.style import style as style
from harmonic_lib.measure import Interval, prototypes

LEVELS = (0.5, 0.9, 0.99)  # the probabilities that get a line in a map of the plane


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


def decision_regions(
    axes: Axes, head: nn.Module, points: Tensor, labels: Tensor, span: float, marks: bool = True
) -> None:
    """Colour the plane by the predicted class, the stronger the more probable it is.

    Thin lines show where the probability of a class is 50, 90 and 99 %.
    Points are dots in the colour of their class; with ``marks`` each row of the head's
    weight is a cross.
    """
    side = torch.linspace(-span, span, 201, dtype=prototypes(head).dtype)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
    with torch.no_grad():
        probabilities = head(grid).softmax(-1)
    probability, predicted = probabilities.max(-1)
    colours = np.array(COLOURS)
    num_classes = len(prototypes(head))
    certainty = ((probability - 1 / num_classes) / (1 - 1 / num_classes)).clamp(0, 1)
    image = np.dstack([colours[predicted.numpy()], 0.08 + 0.72 * certainty.numpy()])
    box = (-span, span, -span, span)
    axes.imshow(image, extent=box, origin="lower", interpolation="bilinear")
    for one in probabilities.unbind(-1):
        levels = [level for level in LEVELS if float(one.min()) < level < float(one.max())]
        if levels:
            axes.contour(side, side, one, levels, colors=INK, linewidths=0.6, alpha=0.8)
    x, y = points.T
    shade = colours[labels.numpy()]
    axes.scatter(x, y, c=shade, s=26, edgecolors="white", linewidths=0.7, zorder=3)
    if marks:
        for k, w in enumerate(prototypes(head)):
            axes.plot(*w, "X", color=COLOURS[k], mec="black", mew=1, ms=9, zorder=4)
    axes.set(xlim=(-span, span), ylim=(-span, span), xticks=[], yticks=[])
    axes.grid(False)


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


def samples(images: Tensor, labels: Tensor, classes: Sequence[str], title: str) -> Figure:
    """The first three images of every class."""
    figure, grid = plt.subplots(3, len(classes), figsize=(WIDTH, 2.8))
    for k, column in enumerate(grid.T):
        for axes, image in zip(column, images[labels == k][:3], strict=True):
            show_image(axes, image.squeeze(0), 0, 1)
        column[0].set_title(classes[k])
    figure.suptitle(title, size=10.5)
    return figure


def prototype_rows(
    rows: Mapping[str, Tensor], side: int, classes: Sequence[str], title: str
) -> Figure:
    """Pictures of (K, D) matrices, a row each: red above zero, blue below, white at zero."""
    figure, grid = plt.subplots(len(rows), len(classes), figsize=(WIDTH, 0.86 * len(rows) + 0.5))
    for line, (name, weight) in zip(grid, rows.items(), strict=True):
        top = float(weight.abs().quantile(0.995))
        for k, axes in enumerate(line):
            show_image(axes, weight[k].view(side, side), -top, top, "RdBu_r")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axes, name in zip(grid[0], classes, strict=True):
        axes.set_title(name)
    figure.suptitle(title, size=10.5)
    return figure


def show_image(axes: Axes, image: Tensor, low: float, high: float, colours: str = "gray") -> None:
    """One picture, without axes."""
    axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def accuracies(series: Mapping[str, Mapping[str, Interval | float]], title: str) -> Figure:
    """Accuracy by head, a line of marks a series: a bar for an interval, a diamond for a number."""
    heads = list(next(iter(series.values())))
    figure, axes = plt.subplots(figsize=(WIDTH, 0.62 * len(heads) + 1.3))
    for s, (name, values) in enumerate(series.items()):
        height = np.arange(len(heads)) + (s - (len(series) - 1) / 2) * 0.22
        means = [100 * mean(values[head]) for head in heads]
        widths = [100 * half_width(values[head]) for head in heads]
        mark = "osv"[s] if any(widths) else "D"
        axes.errorbar(means, height, xerr=widths, fmt=mark, ms=5, capsize=3, label=name)
    axes.set(yticks=range(len(heads)), yticklabels=heads, xlabel="test accuracy (%)", title=title)
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=len(series))
    return figure


def mean(value: Interval | float) -> float:
    """The middle of an interval, or the number itself."""
    return value.mean if isinstance(value, Interval) else value


def half_width(value: Interval | float) -> float:
    """The half-width of an interval, 0 for a number."""
    return value.half_width if isinstance(value, Interval) else 0.0


def exponent_sweep(
    series: Mapping[str, Mapping[float, tuple[Interval, Interval]]],
    marks: Mapping[str, float],
    mutual: float,
) -> Figure:
    """Accuracy and alignment with the class means by exponent, with 95 % intervals.

    marks: the value of sqrt(D) of each series, drawn as a dotted line.
    mutual: the mean cosine of the means of two different classes, a line to compare with.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    looks = zip(COLOURS, cycle(("o-", "s--")), strict=False)
    for (colour, dashes), (name, points) in zip(looks, series.items(), strict=False):
        exponents = list(points)
        for part, axis in enumerate(axes):
            values = [points[n][part] for n in exponents]
            scale = 100 if part == 0 else 1
            means = [scale * v.mean for v in values]
            error = [scale * v.half_width for v in values]
            axis.errorbar(exponents, means, yerr=error, fmt=dashes, ms=4, capsize=3, color=colour)
            axis.axvline(marks[name], color=colour, ls=":", lw=1)
        axes[0].plot([], [], dashes, ms=4, color=colour, label=name)
    for axis, label in zip(axes, ("test accuracy (%)", "cosine with the class mean"), strict=True):
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(PLAIN)
        axis.set(xlabel="exponent n on the distance", ylabel=label)
    axes[0].legend(loc="lower right")
    axes[1].axhline(mutual, color=INK, lw=1)
    axes[1].annotate(  # at the right end, where no curve comes
        "two classes' means",
        (1, mutual),
        (-2, 4),
        ("axes fraction", "data"),
        "offset points",
        fontsize=9,
        ha="right",
    )
    return figure


def two_heads(heads: Mapping[str, nn.Module], points: Tensor, labels: Tensor) -> Figure:
    """The book's first picture: what each head makes of the plane, near the data and far off."""
    figure, grid = plt.subplots(1, len(heads), figsize=(WIDTH, WIDTH / 2 + 0.2))
    for axes, (name, head) in zip(grid, heads.items(), strict=True):
        decision_regions(axes, head, points, labels, span=9.0)
        axes.set_title(name)
    return figure


def dots(axes: Axes, series: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> None:
    """A line for each name, from the top, and a kind of mark for each series that has it."""
    for mark, (label, values) in zip(cycle("osv^D"), series.items(), strict=False):
        heights = [names.index(name) for name in values]
        axes.plot(list(values.values()), heights, mark, ms=6, alpha=0.85, label=label)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))


def relative_costs(costs: Mapping[str, tuple[float, float]], reference: str) -> Figure:
    """Time and memory of each provider, as multiples of those of a reference."""
    figure, grid = plt.subplots(1, 2, figsize=(WIDTH, 0.36 * len(costs) + 1.1), sharey=True)
    for part, (axes, what) in enumerate(zip(grid, ("time", "memory"), strict=True)):
        values = {name: pair[part] for name, pair in costs.items()}
        dots(axes, {what: values}, list(costs))
        axes.axvline(1, color=INK, lw=1)
        axes.set(xlabel=f"{what} / {what} of {reference}", xlim=(0, 1.1 * max(values.values())))
    return figure


def times_by_provider(
    series: Mapping[str, Mapping[str, float]], floors: Mapping[str, float]
) -> Figure:
    """Milliseconds by distance, on a logarithmic axis: a mark a provider, a stroke a floor."""
    names = list(floors)
    figure, axes = plt.subplots(figsize=(WIDTH, 0.5 * len(names) + 1.2))
    dots(axes, series, names)
    heights = range(len(names))
    axes.plot(list(floors.values()), heights, "|", ms=16, mew=2, color=INK, label="floor")
    axes.set(xscale="log", xlabel="time, forwards and backwards (ms)")
    axes.xaxis.set_major_formatter(PLAIN)
    figure.legend(loc="outside lower center", ncols=min(3, len(series) + 1))
    return figure


def step_ratios(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Multiples of a reference's time: a panel each, in it a line a distance, a mark a way."""
    names = list(dict.fromkeys(n for p in panels.values() for times in p.values() for n in times))
    height = 0.27 * len(names) + 1.2
    figure, grid = plt.subplots(1, len(panels), figsize=(WIDTH, height), sharey=True, squeeze=False)
    for axes, (title, series) in zip(grid[0], panels.items(), strict=True):
        dots(axes, series, names)
        axes.axvline(1, color=INK, lw=1)
        axes.set(title=title, xlabel="time / time with the linear layer")
        axes.set_xlim(left=0)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
