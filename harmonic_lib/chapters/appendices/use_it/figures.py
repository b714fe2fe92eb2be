"""Heads beside the linear one, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH
from harmonic_lib.plots.style import style as style


def heads_by_setup(
    panels: Mapping[str, Mapping[str, Sequence[float]]], units: Sequence[str]
) -> Figure:
    """A panel for each set-up, in it a column for each head: runs, and a stroke at their mean."""
    figure, grid = plt.subplots(2, (len(panels) + 1) // 2, figsize=(WIDTH, 4.4))
    for axes, (title, heads), unit in zip(grid.flat, panels.items(), units, strict=True):
        for column, (values, colour) in enumerate(zip(heads.values(), COLOURS, strict=False)):
            axes.plot([column] * len(values), values, "o", ms=5, alpha=0.8, color=colour)
            mean = sum(values) / len(values)
            axes.plot([column - 0.25, column + 0.25], [mean, mean], lw=2, color=colour)
        axes.set(title=title, ylabel=unit, xticks=range(len(heads)), xticklabels=heads)
        axes.set_xlim(-0.6, len(heads) - 0.4)
        axes.grid(axis="x", visible=False)
    return figure


def confidence(
    curves: Mapping[str, Sequence[float]], factors: Sequence[float], chance: float
) -> Figure:
    """Mean confidence over the length of the features, a line for each head; dotted: chance."""
    figure, axes = plt.subplots(figsize=(WIDTH, 2.9))
    for (name, values), mark in zip(curves.items(), "osD", strict=False):
        axes.plot(factors, values, f"{mark}-", ms=5, label=name)
    axes.axhline(chance, color=INK, lw=1, ls=":")
    axes.set(xscale="log", xlabel="features, times", ylabel="mean confidence", ylim=(0, 1.04))
    axes.xaxis.set_major_formatter(PLAIN)
    figure.legend(loc="outside lower center", ncols=len(curves))
    return figure


def over_rates(
    panels: Mapping[str, Mapping[str, Mapping[float, float]]], units: Sequence[str], label: str
) -> Figure:
    """What each head reached over a setting on a logarithmic axis, a panel for each set-up."""
    figure, grid = plt.subplots(1, len(panels), figsize=(WIDTH, 3.0), squeeze=False)
    for axes, (title, heads), unit in zip(grid[0], panels.items(), units, strict=True):
        for (name, values), mark in zip(heads.items(), "osD", strict=False):
            axes.plot(list(values), list(values.values()), f"{mark}-", ms=5, label=name)
        axes.set(title=title, xscale="log", xlabel=label, ylabel=unit)
        axes.set_xticks(list(values), labels=[f"{v:g}" for v in values], minor=False)
        axes.minorticks_off()
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
