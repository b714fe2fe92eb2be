"""The figures of the chapter on genealogy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harmonic_lib.measure.embedding import explained_variance, projection
from harmonic_lib.plots.style import COLOURS, INK, WIDTH

MARKS = "osDP"
SHADES = plt.get_cmap("viridis")


def tree(lines: Mapping[str, Sequence[tuple[int, int]]]) -> Figure:
    """Everybody on a ring of its generation, with lines from people to their parents.

    Args:
        lines: by what is known of them, (person, parent) of each line; the first is grey, the
            last two are broad, and the last is dashed as well.
    """
    figure, axes = plt.subplots(figsize=(0.92 * WIDTH, 0.98 * WIDTH))
    looks: list[dict[str, Any]] = [
        {"color": INK, "lw": 0.8, "alpha": 0.7},
        {"color": COLOURS[0], "lw": 2.4},
        {"color": COLOURS[1], "lw": 2.4, "ls": (0, (2, 1))},
    ]
    people = set()
    for (name, pairs), look in zip(lines.items(), looks, strict=True):
        for child, parent in pairs:
            ends = np.array([place(child), place(parent)])
            step = 0.17 * (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
            axes.plot(*(ends + np.stack([step, -step])).T, **look)
            people |= {child, parent}
        axes.plot([], [], label=f"{name} ({len(pairs)})", **look)
    for person in people:
        size = 8.5 if person < 32 else 7
        axes.text(*place(person), str(person), ha="center", va="center", fontsize=size)
    axes.set(aspect="equal")
    axes.axis("off")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def place(person: int) -> tuple[float, float]:
    """On the ring of the generation, above the middle of the descendants."""
    generation = person.bit_length() - 1
    angle = 2 * np.pi * (person - 2**generation + 0.5) / 2**generation
    radius = generation if generation else 0.0
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def ceilings(
    formula: Mapping[str, Callable[[float], float]],
    one_step: Mapping[str, Mapping[float, Tensor]],
    follows: Mapping[float, Tensor],
    accuracy: Mapping[str, Mapping[float, Tensor]],
    own: Mapping[str, Mapping[float, Tensor]],
) -> Figure:
    """What follows of the facts that are not told, by the share that is told.

    Left: in one step, by relation: a line the formula, a mark the mean of some splits. Right:
    all that follows, and accuracies on those facts.

    Args:
        formula: by relation, the chance by the share told.
        one_step: by relation and share told, (S,) parts of S splits.
        follows: by share told, (S,) parts that follow by all rules.
        accuracy: by head and share told, (S,) recorded accuracies; may be empty.
        own: the same of this page's runs.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharey=True)
    shares = torch.linspace(0.02, 0.98, 97).tolist()
    for k, (name, chance) in enumerate(formula.items()):
        colour, points = COLOURS[k + 2], one_step[name]
        left.plot(shares, [100 * chance(q) for q in shares], color=colour, label=name)
        means = [100 * float(parts.nanmean()) for parts in points.values()]
        left.plot(list(points), means, MARKS[k], ms=4, color=colour)
    left.set(title="in one step, by relation", ylabel="of the facts not told (%)")
    left.legend(loc="lower right")
    limit = [100 * float(parts.nanmean()) for parts in follows.values()]
    right.plot(list(follows), limit, color=INK, lw=2, label="follows by the rules")
    heads = list(dict.fromkeys([*accuracy, *own]))
    for k, name in enumerate(heads):
        recorded(right, accuracy.get(name, {}), k)
        for q, seeds in own.get(name, {}).items():
            at = torch.full((len(seeds),), q)
            right.plot(at, 100 * seeds, MARKS[k], ms=6, mfc="none", mec=COLOURS[k], mew=1.3)
        right.plot([], [], MARKS[k], ms=5, color=COLOURS[k], label=name)
    right.set(title="all steps, and networks", ylim=(-3, 104))
    for axes in (left, right):
        axes.set(xlabel="share of facts told", xlim=(0, 1))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def recorded(axes: Axes, points: Mapping[float, Tensor], k: int) -> None:
    """A dot a seed and a line through the medians."""
    for q, seeds in points.items():
        at = torch.full((len(seeds),), q)
        axes.plot(at, 100 * seeds, MARKS[k], ms=3, color=COLOURS[k], alpha=0.5, mew=0)
    medians = [100 * float(np.nanmedian(seeds.numpy())) for seeds in points.values()]
    axes.plot(list(points), medians, color=COLOURS[k], lw=1.2)


def relations(accuracy: Mapping[str, Mapping[str, Tensor]], limit: Mapping[str, float]) -> Figure:
    """Accuracy by relation, a panel a head: a dot a seed, a bar for the mean.

    Args:
        accuracy: by head and relation, (S,).
        limit: by relation, what follows of the same facts: a broad grey line.
    """
    figure, panels = plt.subplots(
        1, len(accuracy), figsize=(WIDTH, 3.1), sharey=True, squeeze=False
    )
    for axes, (name, by_relation) in zip(panels.flat, accuracy.items(), strict=True):
        for k, (relation, seeds) in enumerate(by_relation.items()):
            beside = k + np.linspace(-0.15, 0.15, len(seeds))
            shade = COLOURS[k + 2]
            known, reached = 100 * limit[relation], 100 * float(seeds.mean())
            axes.plot([k - 0.36, k + 0.36], [known, known], color=INK, lw=3, alpha=0.6)
            axes.plot([k - 0.28, k + 0.28], [reached, reached], color=shade, lw=2)
            axes.plot(beside, 100 * seeds, MARKS[k], ms=4.5, color=shade, alpha=0.8)
        axes.set_title(name)
        axes.set_xticks(range(len(by_relation)), list(by_relation), rotation=30, ha="right")
        axes.grid(False, axis="x")
    panels[0, 0].set(ylim=(-3, 104), ylabel="of held-out facts (%)")
    axes.plot([], [], color=INK, lw=3, alpha=0.6, label="follows by the rules")
    figure.legend(loc="outside lower center")
    return figure


def maps(tables: Mapping[str, Tensor]) -> Figure:
    """The people in the first two principal axes, with lines to their parents: a row a table.

    On the left they are coloured by generation, on the right by branch: by the ancestor in
    generation 2, who is one of the people 4 to 7.

    Args:
        tables: (126, D), row i - 1 of person i; or of any number of people of the tree.
    """
    figure, grid = plt.subplots(len(tables), 2, figsize=(WIDTH, 2.6 * len(tables)), squeeze=False)
    for row, (name, table) in zip(grid, tables.items(), strict=True):
        places, shares = projection(table).numpy(), explained_variance(table)
        number = range(1, len(table) + 1)
        last = len(table).bit_length() - 1
        generation = [i.bit_length() - 1 for i in number]
        by_age = [SHADES(0.25 + 0.65 * g / last) for g in generation]
        branch = [i >> (g - 2) if g >= 2 else 0 for i, g in zip(number, generation, strict=True)]
        by_branch = [COLOURS[k - 4] if k else INK for k in branch]
        size = [9 + 4 * (last - g) for g in generation]
        for axes, shades in zip(row, (by_age, by_branch), strict=True):
            for i in number[1:]:
                axes.plot(*places[[i - 1, i // 2 - 1]].T, color=INK, lw=0.5, alpha=0.45, zorder=1)
            axes.scatter(places[:, 0], places[:, 1], c=shades, s=size, zorder=2)
            for i in number[:3]:
                axes.annotate(str(i), places[i - 1], (4, 4), textcoords="offset points", fontsize=8)
            axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
            axes.grid(False)
        row[0].set_ylabel(f"{name}\nEV$_2$ {100 * shares[1]:.0f} %")
    grid[0, 0].set_title("coloured by generation")
    grid[0, 1].set_title("coloured by branch")
    return figure
