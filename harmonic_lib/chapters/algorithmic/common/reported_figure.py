"""Reported data efficiency, drawn."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harmonic_lib.plots.style import COLOURS, INK, WIDTH

MARKS = "os"


def reported(
    curves: Mapping[str, Mapping[str, Mapping[float, float]]],
    leak: Mapping[str, Mapping[float, float]],
    floor: Mapping[str, float],
) -> Figure:
    """Reported test accuracy by train fraction, a panel a task, all on one axis.

    Args:
        curves: by task and network, accuracy by fraction; the networks of one kind follow
            each other: those of the second kind, hollow and dashed, have the colours of the
            first.
        leak: by task, the share of test facts that are training facts, by fraction.
        floor: by task, what the commonest answer scores.
    """
    figure, panels = plt.subplots(2, 3, figsize=(WIDTH, 5), sharex=True, sharey=True)
    for axes, (name, networks) in zip(panels.flat, curves.items(), strict=False):
        for k, (network, points) in enumerate(networks.items()):
            head, second = k % 2, k > 1
            axes.plot(
                list(points),
                [100 * a for a in points.values()],
                ls=(0, (4, 2)) if second else "-",
                lw=1.2,
                marker=MARKS[head],
                mfc="none" if second else COLOURS[head],
                ms=4,
                color=COLOURS[head],
                label=network,
            )
        lines(axes, leak[name], floor[name])
        axes.set_title(name)
    legend_in(panels.flat[len(curves)], panels.flat[0])
    panels[0, 2].tick_params(labelbottom=True)
    panels[0, 0].set(ylim=(-3, 104), xticks=[0.1, 0.3, 0.5, 0.7, 0.9])
    figure.supxlabel("train fraction", fontsize=10.5)
    figure.supylabel("reported test accuracy (%)", fontsize=10.5)
    return figure


def lines(axes: Axes, leak: Mapping[float, float] | None, floor: float) -> None:
    """The leak by fraction, dashed, and the commonest answer, dotted."""
    if leak is not None:
        shares = [100 * share for share in leak.values()]
        axes.plot(list(leak), shares, "--", color=INK, lw=1.6, label="leak: seen in training")
    axes.axhline(100 * floor, color=INK, lw=1.3, ls=":", label="commonest answer")


def legend_in(empty: Axes, full: Axes) -> None:
    """The legend of a panel in another one, which has nothing else."""
    empty.axis("off")
    handles, labels = full.get_legend_handles_labels()
    empty.legend(handles, labels, loc="center", fontsize=9)
