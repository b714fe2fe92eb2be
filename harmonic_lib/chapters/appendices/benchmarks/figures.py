"""What heads cost, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harmonic_lib.plots.style import INK, PLAIN, WIDTH
from harmonic_lib.plots.style import style as style


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
