"""Figures show what they are given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

import harmonic_lib as hl
from harmonic_lib import plots
from harmonic_lib.chapters.appendices.benchmarks import figures as benchmarks_figures
from harmonic_lib.chapters.appendices.use_it import figures as use_figures
from harmonic_lib.chapters.intro import first_picture
from harmonic_lib.chapters.theory.why_not_softmax import figures, live
from harmonic_lib.chapters.vision.pixel_classifiers import figures as figures_figures
from harmonic_lib.plots import regions
from harmonic_lib.statistics import Interval

pytestmark = pytest.mark.usefixtures("style")


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("page", ["#fefdfb", "#15191d"])
def test_the_ink_reads_on_both_pages(page: str) -> None:
    low, high = sorted((luminance(regions.INK), luminance(page)))
    assert (high + 0.05) / (low + 0.05) > 4


def test_figures_are_transparent() -> None:
    figure, axes = plt.subplots()
    assert figure.get_facecolor()[3] == axes.get_facecolor()[3] == 0


def test_regions_are_coloured_by_class_and_certainty() -> None:
    head = hl.HarmonicHead(2, 2, exponent=2.0)
    head.weight.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    _, axes = plt.subplots()
    plots.decision_regions(axes, head, head.weight.detach(), torch.tensor([0, 1]), span=2.0)
    image = np.asarray(axes.images[0].get_array())
    left, middle = image[100, 50], image[100, 100]  # on the left prototype; between the two
    assert left[:3] == pytest.approx(regions.COLOURS[0])
    assert left[3] == pytest.approx(0.8, abs=1e-3)
    assert middle[3] == pytest.approx(0.08, abs=1e-3)


def test_training_is_shown_at_the_steps_asked_for() -> None:
    runs = [live.run("five points", head, "smoke") for head in live.HEADS]
    figure = figures.regions_in_training(runs, [1, 30])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["step 1", "step 30"]
    assert len(figure.axes) == 2 * len(runs)


def test_norms_losses_and_floors_are_drawn() -> None:
    run = live.run("two points", "harmonic", "smoke")
    figure = figures.norms_and_losses({"two points": [run]}, {"two points": 1e-7})
    norm, loss = figure.axes
    assert norm.lines[0].get_ydata() == pytest.approx(run.norm[1:].numpy())
    assert loss.lines[0].get_ydata() == pytest.approx(run.loss[1:].numpy())
    assert list(loss.lines[1].get_ydata()) == [1e-7, 1e-7]


def test_accuracies_are_drawn_in_per_cent_with_their_intervals() -> None:
    series = {"ours": {"a": Interval(0.9, 0.01)}, "theirs": {"a": 0.92}}
    axes = figures_figures.accuracies(series, "title").axes[0]
    ours, theirs = axes.containers
    assert ours.lines[0].get_xdata() == pytest.approx([90])
    assert theirs.lines[0].get_xdata() == pytest.approx([92])
    ((start, end),) = (bar.get_segments()[0][:, 0] for bar in ours.lines[2])
    assert (start, end) == pytest.approx((89, 91))


def test_the_sweep_draws_accuracy_and_alignment() -> None:
    points = {
        1.0: (Interval(0.8, 0.0), Interval(0.9, 0.0)),
        2.0: (Interval(0.9, 0), Interval(0.5, 0)),
    }
    figure = figures_figures.exponent_sweep({"data": points}, {"data": 8.0}, mutual=0.7)
    accuracy, alignment = figure.axes
    assert accuracy.containers[0].lines[0].get_ydata() == pytest.approx([80, 90])
    assert alignment.containers[0].lines[0].get_ydata() == pytest.approx([0.9, 0.5])


def test_pictures_are_those_of_the_rows() -> None:
    weight = torch.arange(8.0).view(2, 4)
    figure = plots.prototype_rows({"head": weight, "other": -weight}, 2, "ab", "title")
    assert figure.axes[1].images[0].get_array().tolist() == [[4, 5], [6, 7]]
    low, high = figure.axes[1].images[0].get_clim()
    assert low == -high  # white is zero


def test_samples_are_of_the_class_that_their_column_says() -> None:
    labels = torch.arange(2).repeat(3)
    images = labels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).float()
    figure = figures_figures.samples(images, labels, "ab", "title")
    assert [axes.images[0].get_array().max() for axes in figure.axes] == [0, 1] * 3


def test_the_first_picture_can_be_saved(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = first_picture.train(*first_picture.clouds(), steps=1)
    monkeypatch.setattr(first_picture, "train", lambda *_: heads)
    first_picture.save(str(tmp_path / "picture.webp"))
    assert (tmp_path / "picture.webp").stat().st_size > 10_000


def test_costs_are_marks_beside_the_reference() -> None:
    figure = benchmarks_figures.relative_costs({"linear": (1.0, 1.0), "head": (0.9, 0.2)}, "linear")
    time, memory = figure.axes
    assert list(time.lines[0].get_xdata()) == [1, 0.9]
    assert list(memory.lines[0].get_xdata()) == [1, 0.2]
    assert list(memory.lines[1].get_xdata()) == [1, 1]
    assert [text.get_text() for text in time.get_yticklabels()] == ["linear", "head"]


def test_times_stand_on_the_line_of_their_distance_with_its_floor() -> None:
    series = {"ours": {"a": 2.0, "b": 3.0}, "theirs": {"b": 30.0}}
    axes = benchmarks_figures.times_by_provider(series, {"a": 1.0, "b": 1.5}).axes[0]
    ours, theirs, floor = (line.get_xydata().tolist() for line in axes.lines)
    assert ours == [[2, 0], [3, 1]]
    assert theirs == [[30, 1]]
    assert floor == [[1, 0], [1.5, 1]]


def test_the_steps_of_each_panel_are_drawn() -> None:
    panels = {"10": {"loss": {"a": 1.1}, "logits": {"a": 1.3}}, "100": {"loss": {"a": 1.2}}}
    figure = benchmarks_figures.step_ratios(panels)
    assert [axes.get_title() for axes in figure.axes] == ["10", "100"]
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[1.1], [1.3], [1, 1]]


def test_heads_by_setup(style: None) -> None:
    runs = {"linear": [1.0, 2.0, 3.0], "Euclid": [2.0, 2.5]}
    figure = use_figures.heads_by_setup({"one": runs, "two": runs}, ["%", "nats"])
    first, second = figure.axes
    assert (first.get_title(), second.get_ylabel()) == ("one", "nats")
    dots, mean, *_ = (line.get_ydata() for line in first.lines)
    assert list(dots) == [1.0, 2.0, 3.0]
    assert list(mean) == [2.0, 2.0]
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["linear", "Euclid"]


def test_confidence_over_lengths(style: None) -> None:
    figure = use_figures.confidence({"linear": [0.2, 1.0], "cosine": [0.9, 0.9]}, [1, 10], 0.1)
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[0.2, 1.0], [0.9, 0.9]]
    assert set(axes.lines[2].get_ydata()) == {0.1}


def test_over_rates(style: None) -> None:
    curves = {"linear": {1e-3: 1.0, 1e-2: 2.0}, "Euclid": {1e-3: 3.0, 1e-2: 4.0}}
    figure = use_figures.over_rates({"a": curves, "b": curves}, ["%", "nats"], "learning rate")
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    assert list(figure.axes[1].lines[1].get_ydata()) == [3.0, 4.0]
