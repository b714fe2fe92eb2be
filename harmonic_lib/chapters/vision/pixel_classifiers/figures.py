"""Samples, accuracies and exponents of heads on pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.plots.images import show_image
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH
from harmonic_lib.plots.style import style as style
from harmonic_lib.statistics import Interval


def samples(images: Tensor, labels: Tensor, classes: Sequence[str], title: str) -> Figure:
    """The first three images of every class."""
    figure, grid = plt.subplots(3, len(classes), figsize=(WIDTH, 2.8))
    for k, column in enumerate(grid.T):
        for axes, image in zip(column, images[labels == k][:3], strict=True):
            show_image(axes, image.squeeze(0), 0, 1)
        column[0].set_title(classes[k])
    figure.suptitle(title, size=10.5)
    return figure


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
