"""The figures of the chapter on gradient health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib.pyplot as plt
import torch
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.plots.style import COLOURS, INK, WIDTH


class Matrix(Protocol):
    """The verdicts of one implementation, by row and column."""

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> Sequence[str]: ...
    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def verdicts(self) -> Mapping[tuple[str, str], str]: ...
    def cells(self, verdict: str) -> Sequence[tuple[str, str]]: ...


class FloorCurve(Protocol):
    """Two gradients in the own prototype by the ratio of squared distances; where one ends."""

    @property
    def ratios(self) -> Tensor: ...
    @property
    def released(self) -> Tensor: ...
    @property
    def ours(self) -> Tensor: ...
    @property
    def end(self) -> float: ...


class Approach(Protocol):
    """The gradient in the own prototype by its gap from x: a tensor a computation."""

    @property
    def form(self) -> str: ...
    @property
    def gaps(self) -> Tensor: ...
    @property
    def pulls(self) -> Mapping[str, Tensor]: ...


MARKS: dict[str, tuple[str, object, str]] = {
    "ok": ("·", "none", "right"),
    "flat": ("–", COLOURS[9], "right, and the formula is flat"),
    "wrong": ("W", COLOURS[1], "wrong loss or gradient"),
    "dead": ("0", COLOURS[4], "dead: no gradient where there is one"),
    "huge": ("H", COLOURS[8], "huge gradient"),
    "NaN": ("N", COLOURS[3], "NaN or infinite"),
    "error": ("E", COLOURS[7], "stops with an error"),
}
"""For each verdict: the letter in its cell, the colour behind it, and what it means."""


def matrices(shown: Sequence[Matrix]) -> Figure:
    """The verdicts of some implementations, one below the other, a letter a cell."""
    rows, columns = shown[0].rows, shown[0].columns
    figure, grid = plt.subplots(
        len(shown),
        1,
        figsize=(WIDTH, 1.5 + 0.187 * len(rows) * len(shown)),
        sharex=True,
        squeeze=False,
    )
    for axes, matrix in zip(grid[:, 0], shown, strict=True):
        for verdict in dict.fromkeys(matrix.verdicts.values()):
            check_name("verdict", verdict, MARKS)
            letter, colour, _ = MARKS[verdict]
            at = [(columns.index(c), rows.index(form)) for form, c in matrix.cells(verdict)]
            boxes = [Rectangle((x - 0.5, y - 0.5), 1, 1) for x, y in at]
            axes.add_collection(PatchCollection(boxes, fc=colour, ec="none", alpha=0.25))
            size = {"ok": 2, "flat": 5, "wrong": 8}.get(verdict, 6.5)
            mark = "." if verdict == "ok" else f"$\\mathbf{{{letter}}}$"
            axes.plot(*zip(*at, strict=True), ls="", marker=mark, ms=size, mew=0.3, color=INK)
        axes.set(
            xlim=(-0.5, len(columns) - 0.5),
            ylim=(len(rows) - 0.5, -0.5),
            yticks=range(len(rows)),
            xticks=range(len(columns)),
        )
        axes.set_yticklabels([row.replace("_", "-") for row in rows], size=7.5)
        axes.tick_params(length=0)
        axes.set_title(matrix.name, loc="left")
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    grid[-1, 0].set_xticklabels(columns, rotation=90, size=7.5)
    found = {v for matrix in shown for v in matrix.verdicts.values()}
    legend = [
        Patch(fc=colour, ec=INK, alpha=0.25, label=f"{letter}  {meaning}")
        for verdict, (letter, colour, meaning) in MARKS.items()
        if verdict in found
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def floor(curve: FloorCurve) -> Figure:
    """The gradient in the own prototype by the ratio of squared distances, theirs and ours."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
    axes.plot(curve.ratios, curve.ours, "-", label="harmonic_lib")
    axes.plot(curve.ratios, curve.released, "--", label="as released for language models")
    axes.axvline(curve.end, color=INK, lw=1, ls=":")
    beside = axes.get_xaxis_transform()
    axes.text(curve.end, 0.5, f"  floor at {curve.end:.4f}", transform=beside)
    axes.set(
        xlabel="squared distance of the own prototype, over that of the nearest",
        ylabel="gradient in the own prototype",
        ylim=(0, None),
    )
    axes.legend(loc="lower left")
    return figure


def guards(distances: Tensor, pulls: Mapping[str, Tensor], eps: float) -> Figure:
    """The pull on an own prototype by its distance, both axes logarithmic."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
    for (name, pull), dashes in zip(pulls.items(), ("-", "--", "-."), strict=True):
        axes.plot(distances, torch.where(pull > 0, pull, torch.nan), dashes, label=name, lw=2)
    axes.axvline(eps**0.5, color=INK, lw=1, ls=":")
    axes.text(eps**0.5, 0.9, " $\\sqrt{\\mathrm{eps}}$", transform=axes.get_xaxis_transform())
    axes.set(xscale="log", yscale="log", xlabel="distance", ylabel="pull on the own prototype")
    axes.legend(loc="upper right")
    return figure


def approaches(paths: Sequence[Approach]) -> Figure:
    """The pull on the way to a prototype, a panel a distance; a cross is a NaN or infinity."""
    looks = {
        "exact": {"ls": "-", "lw": 5, "color": INK, "alpha": 0.35},
        "textbook, logarithms": {"ls": "-.", "lw": 1.5, "color": COLOURS[1]},
        "released layers": {"ls": "--", "lw": 1.5, "color": COLOURS[4]},
        "harmonic_lib, logits": {"ls": "-", "lw": 1.2, "color": COLOURS[0]},
    }
    rows = -(-len(paths) // 3)
    figure, grid = plt.subplots(
        rows, 3, figsize=(WIDTH, 2.1 * rows + 0.5), sharex=True, sharey=True, squeeze=False
    )
    for axes, path in zip(grid.flat, paths, strict=True):
        for name, pull in path.pulls.items():
            axes.plot(path.gaps, torch.where(pull > 0, pull, torch.nan), label=name, **looks[name])
            lost = path.gaps[~pull.isfinite()]
            if len(lost):
                axes.plot(lost, torch.full_like(lost, 1e-3), "x", color=looks[name]["color"])
        axes.set(xscale="log", yscale="log", title=path.form.replace("_", "-"))
    grid[-1, 1].set_xlabel("gap between x and the own prototype")
    grid[rows // 2, 0].set_ylabel("gradient in the own prototype, over n")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5)
    return figure
