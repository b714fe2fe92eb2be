"""The figures of the chapter on permutations alone."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.maps import embedding
from harmonic_lib.measure.cosets import PRODUCT
from harmonic_lib.measure.embedding import projection
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

PRODUCTS = torch.tensor(PRODUCT)


def products(partitions: Mapping[str, Tensor]) -> Figure:
    """The table of all 576 products, coloured by the coset of the product, a panel a partition.

    Rows (g) and columns (h) stand coset by coset; lines part the cosets.

    Args:
        partitions: by title, the (24,) coset of each permutation, at most ten cosets.
    """
    figure, panels = plt.subplots(1, len(partitions), figsize=(WIDTH, WIDTH / 3 + 0.4))
    for axes, (name, labels) in zip(np.atleast_1d(panels), partitions.items(), strict=True):
        order = labels.argsort(stable=True)
        count = int(labels.max()) + 1
        image = labels[PRODUCTS][order][:, order].numpy()
        axes.imshow(image, cmap=ListedColormap(COLOURS[:count]), vmin=-0.5, vmax=count - 0.5)
        for place in np.arange(1, count) * 24 / count - 0.5:
            axes.axhline(place, color="white", lw=1.6)
            axes.axvline(place, color="white", lw=1.6)
        axes.set(xticks=[], yticks=[], title=name, xlabel="h, coset by coset")
        axes.set_ylabel("g, coset by coset")
        axes.grid(False)
    return figure


def coloured(panels: Mapping[str, tuple[Tensor, Tensor]], words: tuple[str, ...]) -> Figure:
    """Tables in their first two principal axes, the members of each coset joined, two in a row.

    Where there are more than ten cosets colours come twice: the lines tell them apart.

    Args:
        panels: by title, a (24, D) table and the (24,) cosets that colour it.
        words: the 24 labels.
    """
    rows = -(-len(panels) // 2)
    figure, grid = plt.subplots(rows, 2, figsize=(WIDTH, (WIDTH / 2 + 0.35) * rows))
    for axes, (name, (table, labels)) in zip(grid.flat, panels.items(), strict=True):
        circuits = [around(table, labels == k) for k in range(int(labels.max()) + 1)]
        embedding(axes, table, words, labels)
        for k, circuit in enumerate(circuits):
            places = projection(table)[circuit].T.numpy()
            axes.plot(*places, color=COLOURS[k % len(COLOURS)], lw=1.2, alpha=0.7, zorder=1)
        axes.set_title(name)
    return figure


def around(table: Tensor, members: Tensor) -> Tensor:
    """The rows of a class in the order of a walk around its middle, in the plane, and back."""
    rows = members.nonzero().squeeze(1)
    places = projection(table)[rows]
    x, y = (places - places.mean(0)).T
    order = rows[torch.atan2(y, x).argsort()]
    return torch.cat([order, order[:1]])


def chance(
    one: Tensor, best: Tensor, alone: Tensor, paid: Tensor, trained: Mapping[str, Tensor]
) -> Figure:
    """What a choice among 56 does to random tables.

    Left, silhouettes of one partition and of the best of all, with those of trained tables
    as marks above. Right, the share of random tables whose p-value is at most a level: that
    of an honest one lies on the diagonal.

    Args:
        one, best, alone, paid: see ``Chance`` in ``chance.py``.
        trained: by name, the best silhouettes of some trained tables.
    """
    figure, (scores, levels) = plt.subplots(1, 2, figsize=(WIDTH, 3.5))
    ends = torch.cat([one, best, *trained.values()])
    bins = np.linspace(float(ends.min()), float(ends.max()), 40).tolist()
    scores.hist(one.numpy(), bins=bins, color=COLOURS[0], alpha=0.75, label="one partition")
    scores.hist(best.numpy(), bins=bins, color=COLOURS[1], alpha=0.75, label="best of 56")
    top = scores.get_ylim()[1]
    for k, (name, seeds) in enumerate(trained.items()):
        height = torch.full_like(seeds, top * (1.06 + 0.1 * k))
        label = f"best of 56, {name}"
        scores.plot(seeds, height, "osDP"[k % 4], ms=6, color=COLOURS[2 + k], label=label)
    scores.set(xlabel="silhouette in the plane", ylabel="random tables")
    p_values = {"paid for": paid, "as if it were the only one": alone}
    for k, (name, values) in enumerate(p_values.items()):
        found = values.sort().values
        share = torch.arange(1, len(found) + 1) / len(found)
        steps = ([0, *found.tolist(), 1], [0, *share.tolist(), 1])
        levels.step(*steps, where="post", color=COLOURS[k], label=name)
    levels.plot([0, 1], [0, 1], color=INK, lw=1, ls=":")
    levels.set(xlabel="p-value of the best of 56", ylabel="share of random tables\nat or below it")
    levels.legend(loc="lower right", fontsize=8.5)
    figure.legend(*scores.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def curves(histories: Mapping[str, Mapping[str, Tensor]], seeds: tuple[int, ...]) -> Figure:
    """Accuracy by epoch, a panel a head, a colour a seed: dashed on training facts."""
    figure, panels = plt.subplots(
        len(histories), 1, figsize=(WIDTH, 1.7 * len(histories) + 0.5), sharex=True, sharey=True
    )
    shown = range(min(len(seeds), 5))
    for axes, (name, history) in zip(np.atleast_1d(panels), histories.items(), strict=True):
        epochs = range(1, len(history["train_accuracy"]) + 1)
        for k in shown:
            for part, dashes in (("train", "--"), ("test", "-")):
                accuracy = 100 * history[f"{part}_accuracy"][:, k]
                axes.plot(epochs, accuracy, dashes, color=COLOURS[k], lw=1.4, label=f"{part}")
        axes.set(title=name, ylim=(-3, 104))
        axes.set_ylabel("accuracy (%)")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_formatter(PLAIN)
    names = [Line2D([], [], color=COLOURS[k], label=f"seed {seeds[k]}") for k in shown]
    names += [Line2D([], [], color=INK, ls="--", label="training facts")]
    names += [Line2D([], [], color=INK, label="test facts")]
    figure.legend(handles=names, loc="outside lower center", ncols=len(names))
    return figure


def parts(rows: Mapping[str, Mapping[str, float]]) -> Figure:
    """The shares of variance of four parts as bars, a row a table."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.36 * len(rows) + 1.2))
    names = list(next(iter(rows.values())))
    start = np.zeros(len(rows))
    for k, part in enumerate(names):
        shares = np.array([100 * row[part] for row in rows.values()])
        axes.barh(range(len(rows)), shares, left=start, color=COLOURS[k], label=part, height=0.7)
        for row, (left, share) in enumerate(zip(start, shares, strict=True)):
            if share >= 7:
                centre, label = left + share / 2, f"{share:.0f}"
                axes.text(centre, row, label, ha="center", va="center", fontsize=8, color="black")
        start += shares
    axes.set(yticks=range(len(rows)), yticklabels=list(rows), xlim=(0, 100))
    axes.set_xlabel("share of the variance (%)")
    axes.invert_yaxis()
    axes.grid(False)
    figure.legend(loc="outside upper center", ncols=len(names))
    return figure
