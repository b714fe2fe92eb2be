"""Pictures of an embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.figures import DASHES, MARKS
from harmonic_lib.measure.embedding import explained_variance, projection
from harmonic_lib.measure.rings import ring_order
from harmonic_lib.plots.style import COLOURS, INK, WIDTH

Paths = Callable[[Tensor], Iterable[Tensor]]
"""From a (V, D) table to the lists of rows that lines join."""


def ring(table: Tensor) -> Iterable[Tensor]:
    """The residues in the order of the table's strongest frequency, and back to the first."""
    order = ring_order(table)
    return [torch.cat([order, order[:1]])]


def grid(table: Tensor) -> Iterable[Tensor]:
    """The rows and the columns of a square grid of points, one after the other."""
    side = round(len(table) ** 0.5)
    places = torch.arange(side**2).view(side, side)
    return [*places, *places.T]


def embedding(
    axes: Axes,
    table: Tensor,
    labels: Sequence[object],
    groups: Tensor | None = None,
    paths: Paths | None = None,
) -> None:
    """Embeddings in their first two principal axes, each with its label beside it.

    The axes say how much of the variance they hold; what lies across them is not seen.

    Args:
        table: (V, D), a row a token.
        labels: the V names of the tokens.
        groups: (V,) integers, a colour each (modulo ten); none: all have the first one.
        paths: the rows to be joined by lines, such as :func:`ring` or :func:`grid`.
    """
    places = projection(table).numpy()
    shares = explained_variance(table).tolist()
    colours = torch.zeros(len(table), dtype=torch.int64) if groups is None else groups
    for path in paths(table) if paths else ():
        axes.plot(*places[path].T, color=INK, lw=0.7, alpha=0.7, zorder=1)
    shades = [COLOURS[k] for k in (colours % len(COLOURS)).tolist()]
    axes.scatter(places[:, 0], places[:, 1], c=shades, s=16)
    reach = np.linalg.norm(places, axis=1, keepdims=True)
    outwards = 8 * places / np.where(reach > 0, reach, 1)
    for place, label, offset in zip(places, labels, outwards, strict=True):
        axes.annotate(
            str(label),
            place,
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7,
        )
    axes.set(xticks=[], yticks=[], aspect="equal", xlabel=f"PC 1 ({100 * shares[0]:.0f} %)")
    axes.set_ylabel(f"PC 2 ({100 * (shares[1] - shares[0]):.0f} %)")
    axes.margins(0.12)
    axes.grid(False)


def embeddings(
    tables: Mapping[str, Tensor],
    labels: Sequence[object],
    groups: Tensor | None = None,
    paths: Paths | None = None,
) -> Figure:
    """A panel of :func:`embedding` for each table of the same tokens, at most two in a row."""
    columns = min(2, len(tables))
    rows = -(-len(tables) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(WIDTH, (WIDTH / columns + 0.3) * rows), squeeze=False
    )
    for axes, (name, table) in zip(panels.flat, tables.items(), strict=False):
        embedding(axes, table, labels, groups, paths)
        axes.set_title(name)
    for axes in panels.flat[len(tables) :]:
        axes.remove()
    return figure


def cumulative(curves: Mapping[str, Tensor]) -> Figure:
    """EV_k against k, a line a head: the median over seeds, in a band from the least to the most.

    The median is that of each k, and the band holds every seed: shares near 1 have no
    symmetric interval.

    Args:
        curves: by head, (S, K) cumulative shares of S seeds.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    for k, (name, shares) in enumerate(curves.items()):
        number = torch.arange(1, shares.shape[1] + 1)
        low, high = 100 * shares.amin(0), 100 * shares.amax(0)
        median = 100 * np.median(shares.numpy(), axis=0)
        axes.fill_between(number, low, high, color=COLOURS[k], alpha=0.22, lw=0)
        axes.plot(number, median, ls=DASHES[k], marker=MARKS[k], ms=4, color=COLOURS[k], label=name)
    most = max(shares.shape[1] for shares in curves.values())
    axes.set(xticks=range(1, most + 1), ylim=(0, 103), xlabel="principal axes k")
    axes.set_ylabel("cumulative explained\nvariance (%)")
    axes.legend(loc="lower right")
    return figure
