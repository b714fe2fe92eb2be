"""The figures of the chapter on HarMax and the exponent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.harmax.proofs import pull, ratio_needed
from harmonic_lib.plots import decision_regions
from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def pulls(exponents: Sequence[float], num_classes: int) -> Figure:
    """The slope of the loss in the own distance, a line an exponent; the others are at 1."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    dist = torch.logspace(-2.5, 1, 400, dtype=torch.float64)
    for exponent, dashes in zip(exponents, DASHES, strict=False):
        axes.loglog(dist, pull(dist, exponent, num_classes), ls=dashes, label=f"n = {exponent:g}")
    axes.set(xlabel="distance to the own prototype, where all others are at 1", ylabel="pull")
    axes.set_ylim(1e-2, 40)
    axes.axvline(1, color=INK, lw=0.8)
    axes.xaxis.set_major_formatter(PLAIN)
    axes.yaxis.set_major_formatter(PLAIN)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def confidence(
    exponents: Sequence[float], classes: Sequence[int], probability: float = 0.9
) -> Figure:
    """Probability of the nearest prototype by how many times nearer it is, a panel a K."""
    figure, row = plt.subplots(1, len(classes), figsize=(WIDTH, 3.2), sharey=True, squeeze=False)
    ratio = torch.logspace(0, 3, 400, dtype=torch.float64)
    for axes, num_classes in zip(row[0], classes, strict=True):
        dist = torch.cat([torch.ones(400, 1), ratio.unsqueeze(1).expand(-1, num_classes - 1)], 1)
        for exponent, dashes in zip(exponents, DASHES, strict=False):
            p = hl.harmax(dist, exponent)[:, 0]
            (line,) = axes.semilogx(ratio, p, ls=dashes, label=f"n = {exponent:g}")
            needed = ratio_needed(probability, exponent, num_classes)
            axes.plot(needed, probability, "o", ms=4, color=line.get_color())
        axes.axhline(probability, color=INK, lw=0.8)
        axes.set(title=f"{num_classes} classes", xlabel="distance to the others / to the nearest")
        axes.xaxis.set_major_formatter(PLAIN)
    row[0, 0].set_ylabel("probability of the nearest")
    row[0, -1].legend(loc="lower right")
    return figure


def regions(prototypes: Tensor, exponents: Sequence[float], span: float) -> Figure:
    """Decision regions of one set of prototypes in the plane, a panel an exponent."""
    figure, row = plt.subplots(1, len(exponents), figsize=(WIDTH, WIDTH / len(exponents) * 1.1))
    for axes, exponent in zip(row, exponents, strict=True):
        head = hl.HarmonicHead(2, len(prototypes), exponent=exponent)
        head.weight.data = prototypes.clone()
        none = torch.empty(0, dtype=torch.int64)
        decision_regions(axes, head, prototypes[:0], none, span)
        axes.set_title(f"n = {exponent:g}")
    return figure


def spreads(
    dims: Sequence[int], measured: Mapping[str, Sequence[float]], lines: Mapping[str, Tensor]
) -> Figure:
    """Spread of log d over the dimension: measured dots, and predicted lines of the same names."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.2))
    for (name, dots), marker in zip(measured.items(), "os^", strict=False):
        (line,) = axes.loglog(dims, lines[name], lw=1.2)
        axes.loglog(dims, dots, marker, color=line.get_color(), label=name)
    axes.set(xlabel="dimension D", ylabel="standard deviation\nof log d over classes")
    axes.set_xticks(dims, [str(dim) for dim in dims])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PLAIN)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend()
    return figure


def sharpness(spread: Mapping[str, float], exponent: float) -> Figure:
    """Sharpness of each form at one exponent, and beside it the exponent that gives it 1."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 5), sharey=True)
    names = sorted(spread, key=lambda name: spread[name])
    place = range(len(names))
    sharp = [exponent * spread[name] for name in names]
    needed = [1 / spread[name] for name in names]
    panels = ((left, sharp, COLOURS[0], ".2f"), (right, needed, COLOURS[1], ".1f"))
    for axes, values, colour, digits in panels:
        axes.barh(place, values, color=colour, height=0.65)
        for k, value in enumerate(values):
            axes.annotate(f" {value:{digits}}", (value, k), va="center", color=INK, fontsize=8.5)
        axes.set_xlim(0, 1.2 * max(values))
        axes.grid(False, axis="y")
    left.axvline(1, color=INK, lw=1, ls="--", zorder=0)
    left.set_yticks(place, names)
    left.set_xlabel(f"sharpness at n = {exponent:g}")
    right.set_xlabel("exponent of sharpness 1")
    return figure


def links(by_name: Mapping[str, hl.Link]) -> Figure:
    """Logit against distance, relative to that at 1: distances as they are, and their logarithms.

    On the logarithmic axis a link that does not see the scale is a straight line.
    """
    figure, row = plt.subplots(1, 2, figsize=(WIDTH, 3.4), sharey=True)
    dist = torch.logspace(-1.3, 0.6, 300, dtype=torch.float64)
    for (name, link), dashes in zip(by_name.items(), DASHES, strict=False):
        logit = link(dist) - link(torch.ones(1, dtype=torch.float64))
        for axes in row:
            axes.plot(dist, logit, ls=dashes, label=name)
    row[0].set(xlabel="distance d", ylabel="logit, less that at d = 1", ylim=(-8, 14), xlim=(0, 3))
    row[1].set(xlabel="distance d, logarithmic", xscale="log")
    row[1].xaxis.set_major_formatter(PLAIN)
    row[0].legend(loc="upper right", fontsize=9)
    return figure
