"""The figures of the chapter on modular addition alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.figures import (
    Exponent,
    fitted,
    generalised,
    seeds_by_exponent,
    ticks_within,
)
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.rings import frequency_shares
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

Curves = Mapping[str, Tensor]
"""A training history: "train_accuracy" and "test_accuracy", (epochs, S), among others."""


def learning_curves(
    histories: Mapping[str, Curves], epochs: Mapping[str, tuple[float, float]], chance: float
) -> Figure:
    """Accuracy of the first member on training and on test items by epoch, a panel a head.

    The span between the two epochs of 90 % is shaded.

    Args:
        epochs: by head, the epochs of 90 % on training and on test items; NaN: never.
        chance: a dotted line, at what guessing scores.
    """
    figure, panels = plt.subplots(
        len(histories), 1, figsize=(WIDTH, 2.2 * len(histories) + 0.4), sharex=True, squeeze=False
    )
    last = max(len(history["train_accuracy"]) for history in histories.values())
    for axes, (name, history) in zip(panels[:, 0], histories.items(), strict=True):
        fitted, general = epochs[name]
        looks = {"training": ("train", "--", INK), "test": ("test", "-", COLOURS[0])}
        for items, (part, dashes, colour) in looks.items():
            accuracy = 100 * history[f"{part}_accuracy"][:, 0]
            at = torch.arange(1, len(accuracy) + 1)
            axes.plot(at, accuracy, dashes, color=colour, lw=1.4, label=f"on {items} items")
        if general > fitted:
            axes.axvspan(fitted, general, color=COLOURS[1], alpha=0.15, lw=0)
        axes.axhline(100 * chance, color=INK, lw=1, ls=":")
        axes.set(xscale="log", xlim=(1, last), ylim=(-3, 104), title=name)
        axes.set_ylabel("accuracy (%)")
        axes.xaxis.set_major_formatter(PLAIN)
    panels[-1, 0].set_xlabel("epoch")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def spectra(tables: Mapping[str, Tensor]) -> Figure:
    """The share of the variance at each frequency of the residues, a row a table.

    The strongest is coloured; the text says how much variance two principal axes hold.
    """
    figure, panels = plt.subplots(
        len(tables), 1, figsize=(WIDTH, 1.55 * len(tables) + 0.5), sharex=True, squeeze=False
    )
    for axes, (name, table) in zip(panels[:, 0], tables.items(), strict=True):
        shares = (100 * frequency_shares(table)).tolist()
        number = range(1, len(shares) + 1)
        shades = [COLOURS[1] if share == max(shares) else COLOURS[0] for share in shares]
        axes.bar(number, shares, color=shades, width=0.7)
        label = f"ring score {max(shares) / 100:.2f}, EV$_2$ {explained_variance(table)[1]:.2f}"
        axes.text(0.99, 0.9, label, transform=axes.transAxes, ha="right", va="top", fontsize=9)
        axes.set(ylim=(0, 109), xticks=number, title=name)
        axes.set_ylabel("variance (%)")
        axes.grid(False, axis="x")
    panels[-1, 0].set_xlabel("frequency")
    return figure


def cases(
    seeds: Mapping[str, Mapping[str, Tensor]], reported: Mapping[str, Mapping[str, float]]
) -> Figure:
    """The runs of a case study: a panel a metric, a row a case, a dot a seed, shares in %.

    Args:
        seeds: by metric and case, (S,) of each; cases that were not run are said to be so.
        reported: by metric and case, a diamond.
    """
    names = list(dict.fromkeys(case for values in reported.values() for case in values))
    names += [c for values in seeds.values() for c in values if c not in names]
    figure, grid = plt.subplots(1, len(seeds), figsize=(WIDTH, 0.6 * len(names) + 1.2), sharey=True)
    for axes, (metric, values) in zip(grid, seeds.items(), strict=True):
        for row, name in enumerate(names):
            own = values.get(name)
            if own is None:
                axes.text(50, row + 0.3, "not recorded yet", ha="center", va="center", fontsize=8)
            else:
                beside = row + torch.linspace(-0.22, 0.22, len(own))
                axes.plot(100 * own, beside, "o", ms=4, color=COLOURS[0], alpha=0.6, mew=0)
            if name in reported.get(metric, {}):
                place = 100 * reported[metric][name]
                axes.plot(place, row, "D", ms=8, mfc="none", mec=COLOURS[3], mew=1.6)
        axes.set(
            xlim=(-4, 104), title=metric, xlabel="%", yticks=range(len(names)), yticklabels=names
        )
        axes.set_ylim(len(names) - 0.5, -0.5)
    axes.plot([], [], "o", ms=4, color=COLOURS[0], label="our seeds")
    axes.plot([], [], "D", ms=8, mfc="none", mec=COLOURS[3], mew=1.6, label="reported, one run")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def distances(rows: Mapping[str, Sequence[Exponent]], last: int) -> Figure:
    """Epochs of 90 % by exponent, a panel a distance: a dot a seed, lines through the medians.

    Grey on training items, coloured on test items. Seeds that never come there on test items
    are triangles above the line of the last epoch; the numbers on top count the others.

    Args:
        rows: by distance, the exponents in order; of those without any it is said.
        last: the number of epochs of all runs.
    """
    high = -(-len(rows) // 3)
    figure, panels = plt.subplots(
        high, 3, figsize=(WIDTH, 1.9 * high + 0.6), sharex=True, sharey=True, squeeze=False
    )
    rail = 1.6 * last
    found = sorted({row.exponent for every in rows.values() for row in every if row.exponent})
    for axes, (name, every) in zip(panels.flat, rows.items(), strict=False):
        axes.set_title(name, pad=18)
        axes.axhline(last, color=INK, lw=1, ls=":")
        seeds_by_exponent(axes, every, fitted, 0, INK, None)
        seeds_by_exponent(axes, every, generalised, 0, COLOURS[0], rail)
        for row in every:
            solved = f"{int((~row.test_epoch.isnan()).sum())}"
            place = axes.get_xaxis_transform()
            axes.text(float(row.exponent or 0), 1.03, solved, transform=place, ha="center")
        if not every:
            axes.text(0.5, 0.5, "not recorded yet", transform=axes.transAxes, ha="center")
    for axes in panels.flat[len(rows) :]:
        axes.axis("off")
    first = panels[0, 0]
    first.set(yscale="log", ylim=(None, 1.3 * rail))
    ticks_within(first.yaxis, first.get_ylim()[0], last)
    first.set_xscale("log", base=2)
    first.set_xticks(found, [f"{n:g}" for n in found])
    first.xaxis.set_minor_locator(NullLocator())
    first.plot([], [], "o-", ms=3.5, color=INK, label="on training items")
    first.plot([], [], "o-", ms=3.5, color=COLOURS[0], label="on test items")
    figure.supxlabel("exponent n on the distance", fontsize=10.5)
    figure.supylabel("epoch of 90 %", fontsize=10.5)
    figure.legend(loc="outside upper center", ncols=2)
    return figure
