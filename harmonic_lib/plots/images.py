"""Pictures of images and of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.plots.style import WIDTH
from harmonic_lib.plots.style import style as style


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
