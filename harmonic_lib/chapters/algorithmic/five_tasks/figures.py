"""The figures of the chapter on all five tasks."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.figures import MARKS
from harmonic_lib.plots.style import COLOURS, INK, WIDTH

Rows = Mapping[tuple[str, str], Tensor]
"""By task and head, (S,) shares of S seeds."""


def explained(
    reported: Mapping[tuple[str, str], Mapping[str, float]],
    ours: Rows,
    unseen: Rows,
    null: Mapping[str, Tensor],
) -> Figure:
    """EV_2 of every task and head, reported above ours, and our accuracy on unseen facts beside it.

    A row without runs of ours says so.

    Args:
        reported: "median", "min" and "max" as shares, by task and head.
        ours, unseen: of our seeds, EV_2 and accuracy on facts that were not trained on.
        null: by task, EV_2 of untrained embeddings: a grey band from the 5th to the 95th in 100.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 0.52 * len(reported) + 1.1), sharey=True, width_ratios=(1.6, 1)
    )
    for row, (key, said) in enumerate(reported.items()):
        task, head = key
        colour = COLOURS[0] if head == "cross-entropy" else COLOURS[1]
        low, high = (100 * float(null[task].quantile(q)) for q in (0.05, 0.95))
        left.fill_betweenx([row - 0.45, row + 0.45], low, high, color=INK, alpha=0.25, lw=0)
        left.plot([100 * said["min"], 100 * said["max"]], [row - 0.2] * 2, color=colour, lw=1.5)
        left.plot(100 * said["median"], row - 0.2, "D", ms=6, mfc="none", mec=colour, mew=1.5)
        for axes, values in ((left, ours), (right, unseen)):
            if key in values:
                beside = row + 0.2 + torch.linspace(-0.12, 0.12, len(values[key]))
                axes.plot(100 * values[key], beside, "o", ms=3, color=colour, alpha=0.6, mew=0)
            else:
                axes.text(50, row + 0.2, "not recorded yet", ha="center", va="center", fontsize=7.5)
    names = [f"{task.replace('_', ' ')}\n{head}" for task, head in reported]
    left.set(xlim=(0, 103), xlabel="EV$_2$ (%)", yticks=range(len(names)), yticklabels=names)
    left.set_ylim(len(names) - 0.45, -0.55)
    right.set(xlim=(-3, 103), xlabel="accuracy on unseen facts (%)")
    left.plot([], [], "D-", ms=6, mfc="none", color=INK, label="reported: median, range")
    left.plot([], [], "o", ms=4, color=INK, label="our seeds")
    left.fill_between([], [], [], color=INK, alpha=0.25, lw=0, label="untrained")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def plane(
    seeds: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]], null: Mapping[str, Tensor]
) -> Figure:
    """Test accuracy against EV_2, a panel a task, a mark a seed, a colour a head.

    Args:
        seeds: by task and head, EV_2 and test accuracy, (S,) each, as shares.
        null: by task, EV_2 of untrained embeddings: an upright grey line at the median.
    """
    columns = 3
    lines = -(-len(seeds) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(WIDTH, 2.35 * lines + 0.4), sharex=True, sharey=True
    )
    heads: dict[str, int] = {}
    for axes, (task, by_head) in zip(panels.flat, seeds.items(), strict=False):
        axes.axvline(100 * float(null[task].median()), color=INK, lw=1, ls=":")
        for head, (ev_2, accuracy) in by_head.items():
            k = heads.setdefault(head, len(heads))
            axes.plot(
                100 * ev_2, 100 * accuracy, MARKS[k], ms=4, color=COLOURS[k], alpha=0.6, mew=0
            )
        if not by_head:
            axes.text(50, 50, "not recorded yet", ha="center", va="center", fontsize=8)
        axes.set_title(task.replace("_", " "))
        axes.set(xlim=(0, 104), ylim=(-4, 104))
    bare = panels.flat[len(seeds) :]
    for axes in bare:
        axes.axis("off")
    for axes in panels.flat[len(seeds) - columns : len(seeds)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("EV$_2$ (%)")
    figure.supylabel("test accuracy, clean split (%)", fontsize=10.5, color=INK)
    marks = [Line2D([], [], ls="none", marker=MARKS[k], color=COLOURS[k]) for k in heads.values()]
    marks.append(Line2D([], [], ls=":", color=INK))
    place = bare[0] if len(bare) else figure
    place.legend(marks, [*heads, "untrained, median"], loc="center")
    return figure


def shuffled(histories: Mapping[str, Mapping[str, Tensor]], null: Tensor) -> Figure:
    """Training accuracy and EV_2 by epoch, a line a seed, a colour a head; the last is a mark.

    Args:
        histories: by head, "train_accuracy" and "ev_2", (epochs, S).
        null: EV_2 of untrained embeddings: a grey band from the 5th to the 95th in 100.
    """
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 2.9), sharex=True, sharey=True)
    titles = {"train_accuracy": "training accuracy (%)", "ev_2": "EV$_2$ (%)"}
    for axes, (metric, title) in zip(panels, titles.items(), strict=True):
        for k, (head, history) in enumerate(histories.items()):
            values = 100 * history[metric]
            at = torch.arange(1, len(values) + 1)
            axes.plot(at, values, color=COLOURS[k], lw=1.2)
            axes.plot(at[-1].expand(values.shape[1]), values[-1], MARKS[k], ms=5, color=COLOURS[k])
            if axes is panels[0]:
                axes.plot([], [], MARKS[k], ls="-", ms=5, color=COLOURS[k], label=head)
        axes.set(title=title, xlabel="epoch", ylim=(-3, 104))
    low, high = (100 * float(null.quantile(q)) for q in (0.05, 0.95))
    panels[1].axhspan(low, high, color=INK, alpha=0.25, lw=0)
    panels[0].fill_between([], [], [], color=INK, alpha=0.25, lw=0, label="untrained")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
