"""What a learnt metric looks like, and what happens to one that is not kept positive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, WIDTH


class Epoch(Protocol):
    """What was seen after an epoch of training."""

    @property
    def least(self) -> float: ...
    @property
    def negative(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


def training(runs: Mapping[str, Sequence[Epoch]]) -> Figure:
    """The least eigenvalue of P, the share of pairs without a distance, and accuracy, by epoch."""
    figure, (least, negative, accuracy) = plt.subplots(1, 3, figsize=(WIDTH, 2.7))
    for colour, marker, (name, run) in zip(COLOURS, "os^v", runs.items(), strict=False):
        style = {"color": colour, "marker": marker, "ms": 3.5, "lw": 1.3}
        least.plot([e.least for e in run], label=name, **style)
        negative.plot([100 * e.negative for e in run], **style)
        accuracy.plot([100 * e.accuracy for e in run], **style)
    least.axhline(0, color=INK, lw=1, ls=":")
    for axes, title in (
        (least, "least eigenvalue of P"),
        (negative, "pairs with d² < 0 (%)"),
        (accuracy, "test accuracy (%)"),
    ):
        axes.set(title=title, xlabel="epoch")
    figure.legend(loc="outside lower center", ncols=len(runs))
    return figure


def pictures(images: Mapping[str, Tensor], side: int) -> Figure:
    """Vectors as square pictures, each on a scale of its own: red above zero, blue below."""
    figure, row = plt.subplots(1, len(images), figsize=(WIDTH, WIDTH / len(images) + 0.55))
    for axes, (name, values) in zip(row, images.items(), strict=True):
        top = float(values.abs().max()) or 1.0
        shown = axes.imshow(values.view(side, side), cmap="RdBu_r", vmin=-top, vmax=top)
        axes.set(xticks=[], yticks=[], title=name)
        axes.grid(False)
        bar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.8, pad=0.03)
        bar.ax.tick_params(labelsize=8)
        bar.locator = MaxNLocator(3)
        bar.update_ticks()
    return figure
