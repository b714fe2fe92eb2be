"""The figures of the chapter on the leak."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.figures.style import COLOURS, INK, PLAIN, WIDTH

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


def reported(
    curves: Mapping[str, Mapping[str, Mapping[float, float]]],
    leak: Mapping[str, Mapping[float, float]],
    majority: Mapping[str, float],
) -> Figure:
    """Reported test accuracy by train fraction, a panel a task, all on one axis from 0 to 1.

    Args:
        curves: by task and head, accuracy by fraction.
        leak: by task, the share of test facts that are training facts by fraction: dashed.
        majority: by task, what always giving the commonest answer scores: dotted.
    """
    figure, panels = plt.subplots(2, 3, figsize=(WIDTH, 4.8), sharex=True, sharey=True)
    for axes, (name, heads) in zip(panels.flat, curves.items(), strict=False):
        for k, (head, points) in enumerate(heads.items()):
            axes.plot(*xy(points), color=COLOURS[k], marker=MARKS[k], ms=4, label=head)
        axes.plot(*xy(leak[name]), "--", color=INK, lw=1.3, label="leak: seen in training")
        if name in majority:
            axes.axhline(majority[name], color=INK, lw=1.3, ls=":", label="commonest answer")
        axes.set_title(name)
    rest = panels.flat[len(curves) :]
    labelled = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    for axes in rest:
        axes.axis("off")
        axes.legend(labelled.values(), labelled, loc="center")
    for axes in panels.flat[: len(curves)][len(curves) - 3 :]:
        axes.tick_params(labelbottom=True)
    panels[0, 0].set(ylim=(-0.02, 1.02), xticks=[0.1, 0.5, 0.9])
    figure.supxlabel("train fraction", fontsize=10.5)
    figure.supylabel("reported test accuracy", fontsize=10.5)
    return figure


def xy(points: Mapping[float, float]) -> tuple[list[float], list[float]]:
    """Places and heights."""
    return list(points), list(points.values())


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
