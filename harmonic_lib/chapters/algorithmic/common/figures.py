"""The figures of the part on algorithmic tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from harmonic_lib.plots.style import COLOURS, INK, PLAIN, WIDTH

MARKS = "osDPXp"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
UP, RIGHT, BOTH = (3, 0, 0), (3, 0, -90), (3, 0, -45)  # triangles: where a censored seed went


def epochs(
    train_epochs: Mapping[str, Tensor], test_epochs: Mapping[str, Tensor], last: int
) -> Figure:
    """The grokking plane: a mark a seed, by the epoch of fitting and that of generalising.

    On the diagonal they coincide. A seed that never gets there (NaN) is drawn beyond the
    line of the last epoch, on the rail of its head, as a triangle that points to where it
    went; the legend counts those that never generalise.

    Args:
        train_epochs: by head, (S,) epochs from which accuracy on the training set is held.
        test_epochs: the same on the test set, for the same heads and seeds.
        last: the number of epochs of a run, where what is not reached yet is censored.
    """
    figure, axes = plt.subplots(figsize=(WIDTH * 0.75, WIDTH * 0.75 + 0.2 * len(train_epochs)))
    for k, (name, train) in enumerate(train_epochs.items()):
        test = test_epochs[name]
        rail = last * 1.22 ** (k + 1)
        late, unfit = test.isnan(), train.isnan()
        x, y = train.nan_to_num(rail), test.nan_to_num(rail)
        look: dict[str, Any] = {"color": COLOURS[k], "ls": "none", "ms": 5, "alpha": 0.8}
        marks = ((MARKS[k], ~late & ~unfit), (UP, late & ~unfit))
        for mark, which in (*marks, (RIGHT, unfit & ~late), (BOTH, unfit & late)):
            if which.any():
                axes.plot(x[which], y[which], marker=mark, **look)
        never = f" ({int(late.sum())} of {len(test)} never)" if late.any() else ""
        axes.plot([], [], marker=MARKS[k], label=name + never, **look)
    reached = torch.cat([*train_epochs.values(), *test_epochs.values()])
    first = min([last / 10, *reached[~reached.isnan()].tolist()]) / 1.3
    end = last * 1.22 ** (len(train_epochs) + 0.6)
    axes.plot([first, last], [first, last], color=INK, lw=1)
    axes.plot([first, last, last], [last, last, first], color=INK, lw=1, ls=":")
    axes.annotate("last epoch", (first, last), (4, -10), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlim=(first, end), ylim=(first, end), aspect="equal")
    axes.set(xlabel="epoch of 90 % on training items", ylabel="epoch of 90 % on test items")
    for axis in (axes.xaxis, axes.yaxis):
        ticks_within(axis, first, last)
    figure.legend(loc="outside lower center")
    return figure


def ticks_within(axis: Axis, low: float, high: float) -> None:
    """Ticks at 1, 2, 5, 10 … within these bounds: beyond the last epoch there is no epoch."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    axis.set_ticks([tick for tick in ticks if low <= tick <= high])
    axis.set_major_formatter(PLAIN)
    axis.set_minor_locator(NullLocator())


class Exponent(Protocol):
    """What the S seeds of one exponent came to, (S,) each; exponent None: cross-entropy.

    An epoch is NaN for a seed that never got there.
    """

    @property
    def exponent(self) -> float | None: ...
    @property
    def train_epoch(self) -> Tensor: ...
    @property
    def test_epoch(self) -> Tensor: ...
    @property
    def test_accuracy(self) -> Tensor: ...
    @property
    def ev_2(self) -> Tensor: ...


def fitted(row: Exponent) -> Tensor:
    """The epochs of 90 % on training items, (S,); infinite for a seed that never got there."""
    return row.train_epoch.nan_to_num(torch.inf)


def generalised(row: Exponent) -> Tensor:
    """The same on test items."""
    return row.test_epoch.nan_to_num(torch.inf)


def exponents(
    rows: Sequence[Exponent], last: int, root: float | None = None, own: Sequence[Exponent] = ()
) -> Figure:
    """Epochs of 90 %, final accuracy and EV_2 by exponent: a dot a seed, and medians.

    Cross-entropy stands on the right, beyond a gap. The epoch of fitting is a grey line
    through medians, with a dot a seed: where it lies below that of generalising, memorising
    came first. Seeds that never reach 90 % on test items are triangles beyond the line of the
    last epoch. They count as late in the median, which has a gap where half of the seeds or
    more never come.

    Args:
        rows: of one series of runs, the exponents in order.
        last: the number of epochs of its runs.
        root: an exponent to mark by a line, such as the root of the dimension.
        own: other runs, of fewer epochs perhaps, to lay over these: diamonds.
    """
    figure, panels = plt.subplots(
        3, 1, figsize=(WIDTH, 7.2), sharex=True, height_ratios=(1.6, 1, 1)
    )
    found = sorted({row.exponent for row in (*rows, *own) if row.exponent is not None})
    gap = 2 * math.sqrt(2) * found[-1]
    ticks = [*found, gap] if any(row.exponent is None for row in (*rows, *own)) else found
    rail = 1.5 * last

    quantities: tuple[Callable[[Exponent], Tensor], ...] = (
        generalised,
        lambda row: 100 * row.test_accuracy,
        lambda row: 100 * row.ev_2,
    )
    titles = ("epoch of 90 %", "final test\naccuracy (%)", "EV$_2$ (%)")
    epoch, *shares = panels
    seeds_by_exponent(epoch, rows, fitted, gap, INK, None)
    for k, (axes, title, quantity) in enumerate(zip(panels, titles, quantities, strict=True)):
        seeds_by_exponent(axes, rows, quantity, gap, COLOURS[k], rail)
        for row in own:
            seeds = quantity(row).clamp_max(rail) if axes is epoch else quantity(row)
            at = torch.full((len(seeds),), gap if row.exponent is None else row.exponent)
            axes.plot(at, seeds, "D", ms=7, mfc="none", mec=COLOURS[3], mew=1.6, zorder=4)
        if root is not None:
            axes.axvline(root, color=INK, lw=1, ls=(0, (1, 2)), zorder=0)
        axes.set_ylabel(title)
    epoch.axhline(last, color=INK, lw=1, ls=":")
    lines = {"on training items": INK, "on test items": COLOURS[0]}
    for label, colour in lines.items():
        epoch.plot([], [], "o-", ms=3.5, color=colour, label=label)
    if own:
        epoch.plot([], [], "D", ms=7, mfc="none", mec=COLOURS[3], mew=1.6, label="this page's runs")
    epoch.set(yscale="log", ylim=(None, 1.25 * rail))
    ticks_within(epoch.yaxis, epoch.get_ylim()[0], last)
    for axes in shares:
        axes.set_ylim(0, 104)
    panels[-1].set_xscale("log", base=2)
    names = [f"{n:g}" for n in found] + ["cross-\nentropy"] * (len(ticks) > len(found))
    panels[-1].set_xticks(ticks, names)
    panels[-1].set_xlabel("exponent n on the distance")
    panels[-1].xaxis.set_minor_locator(NullLocator())
    figure.align_ylabels(panels)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def seeds_by_exponent(
    axes: Axes,
    rows: Sequence[Exponent],
    quantity: Callable[[Exponent], Tensor],
    gap: float,
    colour: str | tuple[float, float, float],
    rail: float | None,
) -> None:
    """A dot a seed and a line through the medians; cross-entropy at ``gap``, with a bar for it.

    Infinite values are triangles at ``rail``, if there is one.
    """
    medians = []
    for row in rows:
        seeds = quantity(row)
        place = gap if row.exponent is None else row.exponent
        beside = place * 2 ** torch.linspace(-0.16, 0.16, len(seeds))
        axes.plot(beside, seeds, "o", ms=3.5, color=colour, alpha=0.55, mew=0)
        never = seeds.isinf()
        if rail is not None and never.any():
            at = torch.full((int(never.sum()),), rail)
            axes.plot(beside[never], at, marker=UP, ls="none", ms=5, color=colour, alpha=0.7)
        median = float(np.median(seeds.numpy()))
        if row.exponent is None:
            axes.plot([place / 1.25, place * 1.25], [median, median], color=colour)
        else:
            medians.append((place, median))
    axes.plot([x for x, _ in medians], [y for _, y in medians], color=colour)


def nothing_yet(what: str) -> Figure:
    """In the place of a figure whose runs have not been recorded: a sentence that says so."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1.0))
    axes.text(0.5, 0.5, f"{what}: not recorded yet", ha="center", va="center")
    axes.axis("off")
    return figure
