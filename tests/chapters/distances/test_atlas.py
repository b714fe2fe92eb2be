"""The checks of the atlas hold, and fail on what is wrong on purpose; its figures and measures."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.distances.atlas import figures as maps
from harmonic_lib.chapters.distances.atlas import proofs
from harmonic_lib.measure import agreement
from harmonic_lib.measure.axioms import Pairwise
from harmonic_lib.measure.sharpness import spread_of_logs
from harmonic_lib.plots import regions
from harmonic_lib.statistics import Interval


def distances() -> Tensor:
    """Random distances between 0.3 and 4.3, in float64."""
    generator = torch.Generator().manual_seed(0)
    return 0.3 + 4 * torch.rand(30, 6, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("dim", [1, 2, 64])
def test_the_order_of_the_norms(dim: int) -> None:
    assert proofs.norm_violation(dim, 0) < 1e-9


def test_a_smaller_factor_is_violated() -> None:
    assert proofs.norm_violation(4, 0, lambda p, q, d: 0.99 * proofs.widest(p, q, d)) > 0.01


def test_the_order_holds_below_one_and_not_the_other_way_round() -> None:
    assert proofs.norm_violation(4, 0, powers=(0.5, 1.0)) < 1e-9
    assert proofs.norm_violation(4, 0, powers=(1.0, 0.5)) > 0.1  # the wrong order


def test_a_power_divides_the_exponent() -> None:
    assert proofs.power_violation(distances(), 8) < 1e-12
    assert proofs.power_violation(distances(), 8, divide=False) > 0.1


def test_at_one_sharpness_powers_are_one_head_and_other_changes_are_not() -> None:
    assert proofs.matched_violation(distances(), lambda d: 7 * d**3, 2.0) < 1e-12
    assert proofs.matched_violation(distances(), lambda d: d / (1 + d), 2.0) > 0.01


def test_cosine_is_half_a_square() -> None:
    assert proofs.cosine_violation(8, 0) < 1e-12
    assert proofs.cosine_violation(8, 0, ratio=1.0) > 0.1


def test_on_bits_most_are_one_count() -> None:
    x, w = proofs.bits(20, 16, 0, zero=True), proofs.bits(5, 16, 1, zero=True)
    assert int((x.sum(-1) == 0).sum()) == int((w.sum(-1) == 0).sum()) == 1
    assert max(proofs.binary_violations(x, w).values()) < 1e-12


def test_two_zero_vectors_must_be_at_zero() -> None:
    def broken(name: str) -> Pairwise:
        d = hl.distance(name)
        return lambda x, w: d(x, w) + ((x.sum(-1)[:, None] + w.sum(-1)) == 0)

    for zero, worst in ((False, 0.0), (True, 1.0)):
        x, w = proofs.bits(20, 16, 0, zero=zero), proofs.bits(5, 16, 1, zero=zero)
        found = proofs.binary_violations(x, w, broken)["bray_curtis"]
        assert found == pytest.approx(worst, abs=1e-12)


def test_off_bits_none_is() -> None:
    x, w = proofs.bits(20, 16, 0).clamp(0.1, 0.8), proofs.bits(5, 16, 1)
    assert min(proofs.binary_violations(x, w).values()) > 0.01


def by_hand(first: list[float], second: list[float]) -> float:
    """Kendall's tau of lists without ties, pair by pair."""
    score = 0
    for i, j in itertools.combinations(range(len(first)), 2):
        score += 1 if (first[i] - first[j]) * (second[i] - second[j]) > 0 else -1
    return score / math.comb(len(first), 2)


def test_kendall_pair_by_pair(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=(2, 30))
    found = agreement.kendall(torch.tensor(first), torch.tensor(second))
    assert found == pytest.approx(by_hand(list(first), list(second)), abs=1e-12)


def test_kendall_sees_order_alone() -> None:
    values = torch.tensor([0.1, 3.0, 0.7, 2.0])
    assert agreement.kendall(values, values.exp()) == pytest.approx(1)
    assert agreement.kendall(values, -values) == pytest.approx(-1)


@pytest.mark.parametrize(("first", "second"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_kendall_refuses_what_it_cannot_compare(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="two lists of as many values, at least two"):
        agreement.kendall(torch.tensor(first), torch.tensor(second))


def test_the_table_of_correlations() -> None:
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    b = torch.tensor([1.0, 3.0, 2.0, 4.0])
    table = agreement.rank_correlations({"a": a, "b": b, "c": -a})
    two = 2 / 3  # one pair of six is exchanged
    expected = torch.tensor([[1.0, two, -1.0], [two, 1.0, -two], [-1.0, -two, 1.0]])
    assert torch.allclose(table, expected.double())


FOUR = torch.tensor([[1.0, 0.3], [0.2, 1.1], [-1.1, 0.4], [0.3, -1.3]])


@pytest.mark.usefixtures("style")
def test_each_map_has_the_exponent_of_its_sharpness() -> None:
    distance = {"cosine": hl.distance("cosine").double(), "manhattan": hl.distance("manhattan")}
    figure = maps.regions(distance, FOUR, sharpness=2.0)
    shown = [axes for axes in figure.axes if axes.get_title()]
    _, points = maps.plane(2.2)
    for axes, (name, d) in zip(shown, distance.items(), strict=True):
        expected = 2.0 / spread_of_logs(d(points, FOUR.double()))
        assert axes.get_title() == f"{name}, n = {expected:.2g}"


@pytest.mark.usefixtures("style")
def test_a_map_shows_the_nearest_and_leaves_ties_bare() -> None:
    two = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])  # Manhattan: two corners are ties
    (axes,) = maps.regions({"manhattan": hl.distance("manhattan")}, two, sharpness=1.0).axes
    image = np.asarray(axes.images[0].get_array())
    low, high, tie = image[40, 40], image[200, 200], image[200, 40]
    assert low[:3] == pytest.approx(regions.COLOURS[0])
    assert high[:3] == pytest.approx(regions.COLOURS[1])
    assert low[3] > 0.2
    assert tie[3] == 0


@pytest.mark.usefixtures("style")
def test_the_heat_map_says_its_numbers() -> None:
    table = torch.tensor([[1.0, -0.25], [-0.25, 1.0]])
    figure = maps.agreement(["a", "b"], table)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["1.00", "-0.25", "-0.25", "1.00"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["a", "b"]


@pytest.mark.usefixtures("style")
def test_curves_stand_at_their_sharpness() -> None:
    curve = {0.5: Interval(0.8, 0.02), 4.0: Interval(0.9, 0.01)}
    grey = {0.7: Interval(0.6, 0.0)}
    (axes,) = maps.matched({"euclidean": curve}, {"other": grey}).axes
    (thin, line, *_), (bars,) = axes.lines, axes.containers
    assert thin.get_xdata() == [0.7]
    assert list(line.get_xdata()) == [0.5, 4.0]
    assert list(line.get_ydata()) == [0.8, 0.9]
    assert bars.get_label() == "euclidean"
    assert axes.get_xscale() == "log"
