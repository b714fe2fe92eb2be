"""The figures of the part on algorithmic tasks show what they are given."""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import figures, maps
from harmonic_lib.chapters.algorithmic.modular_addition import figures as modular
from harmonic_lib.measure.embedding import projection
from harmonic_lib.plots.style import COLOURS, INK

pytestmark = pytest.mark.usefixtures("style")

NEVER = math.nan


def circle(p: int, step: int) -> Tensor:
    """The residues on a circle, neighbours ``step`` apart, (p, 2)."""
    angle = 2 * torch.pi * pow(step, -1, p) * torch.arange(p) / p
    return torch.stack([angle.cos(), angle.sin()], 1)


def marks(axes: Axes, marker: object) -> list[list[float]]:
    """The places of all marks of a kind."""
    return [
        place
        for line in axes.lines
        if line.get_marker() == marker
        for place in np.asarray(line.get_xydata()).tolist()
    ]


def test_embeddings_are_dots_with_their_labels_in_the_principal_axes() -> None:
    _, axes = plt.subplots()
    table = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    maps.embedding(axes, table, "xyz", torch.tensor([0, 4, 10]))
    (dots,) = axes.collections
    np.testing.assert_allclose(dots.get_offsets(), projection(table))
    shades = dots.get_facecolors()[:, :3]
    np.testing.assert_allclose(shades, [COLOURS[0], COLOURS[4], COLOURS[0]])
    assert [text.get_text() for text in axes.texts] == ["x", "y", "z"]
    np.testing.assert_allclose([text.xy for text in axes.texts], projection(table))


def test_the_axes_say_how_much_they_hold() -> None:
    _, axes = plt.subplots()
    corners = torch.diag(torch.tensor([6.0, 3.0, 1.0]).sqrt())
    maps.embedding(axes, torch.cat([corners, -corners]), range(6))
    assert axes.get_xlabel() == "PC 1 (60 %)"
    assert axes.get_ylabel() == "PC 2 (30 %)"


def test_a_ring_is_joined_in_its_own_step() -> None:
    (path,) = maps.ring(circle(31, 7))
    assert ((path.diff() % 31) == 7).all()
    assert len(path) == 32
    assert path[0] == path[-1]


def test_a_grid_is_joined_along_rows_and_columns() -> None:
    paths = [path.tolist() for path in maps.grid(torch.zeros(4, 2))]
    assert paths == [[0, 1], [2, 3], [0, 2], [1, 3]]


def test_every_table_has_its_panel_and_its_own_lines() -> None:
    tables = {"one": circle(5, 1), "two": circle(5, 2), "three": circle(5, 1)}
    figure = maps.embeddings(tables, range(5), paths=maps.ring)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two", "three"]
    for axes, table in zip(figure.axes, tables.values(), strict=True):
        ((order,), (line,)) = maps.ring(table), axes.lines
        np.testing.assert_allclose(line.get_xydata(), projection(table)[order])
        sides = np.linalg.norm(np.diff(line.get_xydata(), axis=0), axis=1)
        assert sides == pytest.approx(2 * math.sin(math.pi / 5), rel=1e-5)


def test_a_collapsed_table_can_be_drawn() -> None:
    figure = maps.embeddings({"collapsed": torch.ones(5, 3)}, range(5), paths=maps.ring)
    assert figure.axes[0].get_xlabel() == "PC 1 (nan %)"
    figure.canvas.draw()


def test_cumulative_shares_have_their_median_and_a_band_of_all_seeds() -> None:
    shares = torch.tensor([[0.2, 0.6], [0.5, 1.0], [0.4, 0.9]])
    (axes,) = maps.cumulative({"a": shares, "b": shares[:, :1]}).axes
    first, second = axes.lines
    np.testing.assert_allclose(first.get_xydata(), [[1, 40], [2, 90]], rtol=1e-6)
    np.testing.assert_allclose(second.get_xydata(), [[1, 40]], rtol=1e-6)
    band = axes.collections[0].get_paths()[0].vertices
    assert {tuple(np.round(place, 3)) for place in band} == {(1, 20), (1, 50), (2, 60), (2, 100)}


def test_seeds_stand_where_they_fit_and_generalise() -> None:
    train = {"a": torch.tensor([10.0, 20.0]), "b": torch.tensor([30.0])}
    test = {"a": torch.tensor([100.0, 200.0]), "b": torch.tensor([31.0])}
    figure = figures.epochs(train, test, last=1000)
    (axes,) = figure.axes
    assert marks(axes, "o") == [[10, 100], [20, 200]]
    assert marks(axes, "s") == [[30, 31]]
    diagonal = axes.lines[-2].get_xydata()
    assert diagonal[:, 0].tolist() == diagonal[:, 1].tolist()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_seeds_that_never_get_there_are_drawn_beyond_the_last_epoch() -> None:
    train = {"a": torch.tensor([10.0, NEVER, NEVER]), "b": torch.tensor([30.0])}
    test = {"a": torch.tensor([NEVER, 50.0, NEVER]), "b": torch.tensor([NEVER])}
    figure = figures.epochs(train, test, last=1000)
    (axes,) = figure.axes
    (x, rail), (_, other) = marks(axes, figures.UP)
    assert x == 10
    assert 1000 < rail < other < axes.get_ylim()[1]
    assert marks(axes, figures.RIGHT) == [[rail, 50]]
    assert marks(axes, figures.BOTH) == [[rail, rail]]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["a (2 of 3 never)", "b (1 of 1 never)"]
    assert max(axes.get_yticks()) == 1000  # no epoch is named beyond the last


@dataclass
class Row:
    exponent: float | None
    test_epoch: Tensor
    test_accuracy: Tensor
    ev_2: Tensor
    train_epoch: Tensor


ROWS = [
    Row(
        1,
        torch.tensor([10.0, 30.0, NEVER]),
        torch.tensor([1.0, 0.9, 0.2]),
        torch.ones(3),
        torch.tensor([5.0, 6.0, 7.0]),
    ),
    Row(
        4,
        torch.tensor([10.0, NEVER, NEVER]),
        torch.tensor([0.5, 0.4, 0.3]),
        torch.ones(3) / 2,
        torch.tensor([8.0, NEVER, NEVER]),
    ),
]
ENTROPY = Row(
    None, torch.tensor([NEVER]), torch.tensor([0.1]), torch.tensor([0.3]), torch.tensor([2.0])
)


def drawn_in(axes: Axes, colour: object) -> list[list[list[float]]]:
    """What every line of a colour shows, but for what the legend alone names."""
    return [
        line.get_xydata().tolist()
        for line in axes.lines
        if line.get_color() == colour and len(line.get_xdata())
    ]


def test_exponents_show_every_seed_and_the_medians() -> None:
    epoch, accuracy, ev = figures.exponents(ROWS, last=1000).axes
    *dots, medians = drawn_in(epoch, COLOURS[0])
    heights = [y for line in dots for _, y in line if math.isfinite(y)]
    assert sorted(heights)[:3] == [10, 10, 30]
    assert len(marks(epoch, figures.UP)) == 3
    assert all(y > 1000 for _, y in marks(epoch, figures.UP))
    assert medians == [[1, 30], [4, math.inf]]  # of 4, more than half are late
    *fits, fitted = drawn_in(epoch, INK)[:3]
    assert fitted == [[1, 6], [4, math.inf]]
    assert [y for line in fits for _, y in line] == [5, 6, 7, 8, math.inf, math.inf]
    for k, (axes, medians) in enumerate(((accuracy, [90, 40]), (ev, [100, 50])), 1):
        assert len(marks(axes, "o")) == 6
        assert not marks(axes, figures.UP)
        line = np.array(drawn_in(axes, COLOURS[k])[-1])
        np.testing.assert_allclose(line, [[1, medians[0]], [4, medians[1]]], rtol=1e-6)
    assert epoch.get_xlim() == ev.get_xlim()


def test_cross_entropy_stands_beyond_the_exponents_with_a_bar_of_its_own() -> None:
    figure = figures.exponents([*ROWS, ENTROPY], last=1000, root=2.0)
    epoch, accuracy, ev = figure.axes
    names = [label.get_text() for label in ev.get_xticklabels()]
    assert names == ["1", "4", "cross-\nentropy"]
    place = accuracy.get_xticks()[-1]
    assert place > 8
    *_, bar, through = drawn_in(accuracy, COLOURS[1])
    np.testing.assert_allclose(np.array(bar)[:, 1], 10, rtol=1e-6)
    assert bar[0][0] < place < bar[1][0]
    assert [x for x, _ in through] == [1, 4]
    assert [2.0, 0.0] in drawn_in(epoch, INK)[-2] + drawn_in(epoch, INK)[-1]


def test_own_runs_are_diamonds_over_the_others() -> None:
    figure = figures.exponents(ROWS, last=1000, own=[ENTROPY, ROWS[0]])
    epoch, accuracy, _ = figure.axes
    diamonds = marks(epoch, "D")
    assert [y for x, y in diamonds if x == 1] == [10, 30, 1500]
    assert [x for x, _ in marks(accuracy, "D")][1:] == [1, 1, 1]
    assert "this page's runs" in [text.get_text() for text in figure.legends[0].get_texts()]
    alone = figures.exponents([], last=1000, own=[ROWS[0]])
    assert len(marks(alone.axes[1], "D")) == 3


def test_distances_have_a_panel_each_and_count_who_came() -> None:
    figure = modular.distances({"one": ROWS, "two": [], "three": ROWS, "four": ROWS}, last=1000)
    one, two, *_, last = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["one", "two", "three", "four", "", ""]
    assert [text.get_text() for text in one.texts] == ["2", "1"]
    assert [text.get_text() for text in two.texts] == ["not recorded yet"]
    assert len(marks(one, figures.UP)) == 3
    assert drawn_in(one, COLOURS[0])[-1] == [[1, 30], [4, math.inf]]
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == ["1", "4"]
    assert one.get_ylim() == two.get_ylim()
    assert not last.axison


@pytest.mark.usefixtures("style")
def test_a_figure_can_say_that_it_is_not_there() -> None:
    (axes,) = figures.nothing_yet("grokking").axes
    assert axes.texts[0].get_text() == "grokking: not recorded yet"
    plt.close("all")
