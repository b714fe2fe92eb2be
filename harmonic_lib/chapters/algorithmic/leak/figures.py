"""The figures of the chapter on the leak."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

MARKS = "osDP^"


def collapse(
    shares: Mapping[str, Mapping[float, Tensor]], again: Mapping[str, tuple[float, float]]
) -> Figure:
    """The leak against draws per fact: the tables of all tasks on one curve, 1 - exp(-m/M).

    Args:
        shares: by task and draws per fact, (S,) leaks of S splits: a mark for their mean, a
            bar from the least to the most.
        again: by task, draws per fact and leak of another source's splits: an open ring.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.6))
    for k, (name, points) in enumerate(shares.items()):
        for place, seeds in points.items():
            ends = [float(seeds.min()), float(seeds.max())]
            axes.plot([place, place], ends, color=COLOURS[k], lw=1, alpha=0.6)
        means = [float(seeds.mean()) for seeds in points.values()]
        axes.plot(list(points), means, MARKS[k], ms=4, color=COLOURS[k], label=name)
        if name in again:
            axes.plot(*again[name], "o", ms=11, mfc="none", mec=INK)
    ends = [p for points in shares.values() for p in points]
    line = torch.logspace(np.log10(min(ends)) - 0.1, np.log10(max(ends)) + 0.1, 200)
    axes.plot(line, 1 - torch.exp(-line), color=INK, lw=1.2, zorder=0, label="1 − exp(−m/M)")
    axes.plot([], [], "o", ms=11, mfc="none", mec=INK, ls="none", label="released code")
    axes.set(xscale="log", ylim=(0, 1), xlabel="draws to train on, per fact of the table: m/M")
    axes.set_ylabel("share of test draws\nthat were trained on")
    axes.xaxis.set_major_formatter(PLAIN)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def kinds(rows: Mapping[str, Mapping[str, Tensor]], chance: float) -> Figure:
    """Accuracy by kind of fact, a panel a run: a dot a seed, a bar for their mean.

    Args:
        rows: by run and kind, (S,) accuracies.
        chance: what guessing scores: a dotted line.
    """
    figure, panels = plt.subplots(1, len(rows), figsize=(WIDTH, 3.2), sharey=True, squeeze=False)
    for axes, (name, by_kind) in zip(panels.flat, rows.items(), strict=True):
        for k, seeds in enumerate(by_kind.values()):
            beside = k + np.linspace(-0.15, 0.15, len(seeds))
            axes.plot([k - 0.3, k + 0.3], [seeds.mean()] * 2, color=COLOURS[k], lw=2)
            axes.plot(beside, seeds, MARKS[k], ms=4, color=COLOURS[k], alpha=0.8)
        axes.axhline(chance, color=INK, lw=1, ls=":")
        axes.set_title(name)
        axes.set_xticks(range(len(by_kind)), list(by_kind), rotation=35, ha="right")
        axes.grid(False, axis="x")
    panels[0, 0].set(ylim=(-0.03, 1.03), ylabel="accuracy")
    return figure
