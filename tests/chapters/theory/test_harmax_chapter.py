"""The checks of the chapter on HarMax hold, and fail on what is wrong on purpose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.harmax import figures, proofs


def distances(rows: int = 30, classes: int = 6) -> Tensor:
    """Random distances between 0.3 and 8, in float64, different from one another."""
    generator = torch.Generator().manual_seed(0)
    return 0.3 + 7.7 * torch.rand(rows, classes, dtype=torch.float64, generator=generator)


def power_form(dist: Tensor, n: float) -> Tensor:
    """The definition, literally."""
    power = dist**-n
    return power / power.sum(-1, keepdim=True)


def of_squares(dist: Tensor, n: float) -> Tensor:
    """The exponent on the squared distance, which is another loss."""
    return hl.harmax(dist.square(), n)


def test_the_oracle_by_hand() -> None:
    exact = proofs.exact_harmax(torch.tensor([[1.0, 2.0, 4.0]]), 2)
    assert exact.tolist() == [pytest.approx([16 / 21, 4 / 21, 1 / 21], rel=1e-15)]


def test_the_oracle_goes_where_no_float_does() -> None:
    exact = proofs.exact_harmax(torch.tensor([25.0, 27.5]), 1536)  # 25^-1536 is 1e-2147
    assert float(exact[1]) == pytest.approx(1.1**-1536, rel=1e-6)


def test_the_forms_are_one() -> None:
    assert proofs.form_error(hl.harmax, distances(), 7) < 1e-14
    assert proofs.form_error(power_form, distances(), 7) < 1e-14


def test_the_exponent_on_the_square_is_another_form() -> None:
    assert proofs.form_error(of_squares, distances(), 7) > 0.1


def test_not_a_number_is_an_infinite_error() -> None:
    assert proofs.form_error(power_form, distances().float() + 20, 1536) == math.inf


def test_where_the_power_form_breaks() -> None:
    # 10^-n is 0 in float32 beyond 1e-45, or beyond 1e-38 where subnormal numbers count as 0
    assert proofs.breaks_at(power_form, torch.tensor([[10.0, 11.0]])) in range(38, 47)
    # 0.1^-n is infinite beyond 3.4e38
    assert proofs.breaks_at(power_form, torch.tensor([[0.1, 0.11]])) == 39
    assert proofs.breaks_at(hl.harmax, torch.tensor([[10.0, 11.0]])) is None


def test_harmax_sees_ratios_and_softmax_of_the_distance_does_not() -> None:
    assert proofs.scale_violation(lambda d: hl.harmax(d, 8), distances()) < 1e-12
    assert proofs.scale_violation(lambda d: (-d).softmax(-1), distances()) > 0.1


@pytest.mark.parametrize("exponent", [0.5, 1, 8, 56])
def test_gradients_by_hand_are_those_of_autograd(exponent: float) -> None:
    assert proofs.gradient_violation(exponent, 0, proofs.gradients) < 1e-12


def without_exponent(p: Tensor, y: Tensor, dist: Tensor, n: float) -> tuple[Tensor, Tensor]:
    return proofs.gradients(p, y, dist, 1.0)


def of_squared_distance(p: Tensor, y: Tensor, dist: Tensor, n: float) -> tuple[Tensor, Tensor]:
    return proofs.gradients(p, y, dist.square(), n)


@pytest.mark.parametrize("wrong", [without_exponent, of_squared_distance])
def test_wrong_gradients_are_seen(wrong: Callable[..., object]) -> None:
    assert proofs.gradient_violation(8, 0, wrong) > 0.1


def test_the_pull_by_hand() -> None:
    d = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    expected = 4 * 9 * d**3 / (1 + 9 * d**4)
    assert proofs.pull(d, 4, 10).tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_the_steepest_place_by_calculus() -> None:
    assert proofs.steepest(4, 10) == pytest.approx((3 / 9) ** 0.25, abs=1e-5)


@pytest.mark.parametrize(
    ("classes", "exponent", "ratio"), [(10, 1, 81), (10, 2, 9), (100, 1, 891), (100, 2, 29.85)]
)
def test_the_ratios_of_the_reference(classes: int, exponent: float, ratio: float) -> None:
    assert proofs.ratio_needed(0.9, exponent, classes) == pytest.approx(ratio, rel=1e-3)


def test_the_ratio_gives_the_probability_asked_for() -> None:
    assert proofs.ratio_violation(proofs.ratio_needed) < 1e-12
    assert proofs.ratio_violation(lambda p, n, k: (k * p / (1 - p)) ** (1 / n)) > 0.01


def test_the_exponent_keeps_the_order_and_sharpens() -> None:
    exponents = [0.5, 1, 4, 28]
    assert proofs.order_violations(distances(), exponents, hl.harmax) == 0
    # a softmax of similarities, as the released MLP and CNN heads have it: the farthest wins
    assert proofs.order_violations(distances(), exponents, lambda d, n: d.softmax(-1)) == 30
    # the right order, but the sharper the smaller n is
    assert proofs.order_violations(distances(), exponents, lambda d, n: hl.harmax(d, 1 / n)) == 30


def test_the_limits_of_the_exponent() -> None:
    assert proofs.limit_violation(distances(), hl.harmax) < 1e-8
    # the farthest prototype wins
    assert proofs.limit_violation(distances(), lambda d, n: hl.harmax(1 / d, n)) > 0.9
    # the sharper, the smaller n is
    assert proofs.limit_violation(distances(), lambda d, n: hl.harmax(d, 1 / n)) > 0.7


def test_the_variance_of_squared_distances() -> None:
    assert proofs.variance_violation(40_000, 0) < 0.05
    without_lengths = proofs.variance_violation(40_000, 0, lambda a, b, dim: 4 * (a * b) ** 2 / dim)
    assert without_lengths > 0.3


def test_the_predicted_spread_is_that_of_numpy() -> None:
    for a, b in ((1.0, 1.0), (10.0, 1.0)):
        w = b * np.random.default_rng(0).normal(size=(20_000, 256)) / 16
        x = np.zeros(256)
        x[3] = a
        logs = np.log(np.linalg.norm(w - x, axis=1))
        assert proofs.predicted_spread(a, b, 256) == pytest.approx(logs.std(), rel=0.03)


def long_inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 64, dtype=torch.float64, generator=generator)
    return x, torch.randn(50, 64, dtype=torch.float64, generator=generator) / 50


def test_far_from_the_origin_harmonic_logits_are_linear() -> None:
    assert proofs.linear_violation(*long_inputs(), 1536) == 0


def test_other_linear_logits_are_beyond_the_bound() -> None:
    x, w = long_inputs()
    twice = proofs.linear_violation(x, w, 64, lambda x, w, n: 2 * proofs.linear_logits(x, w, n))
    assert twice > 0.01
    no_bias = proofs.linear_violation(
        x, w, 64, lambda x, w, n: n / x.square().sum(-1, keepdim=True) * x @ w.T
    )
    assert no_bias > 1e-5


def test_matched_exponents_match(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [distances(), distances() ** 3]
    assert proofs.matched_violation(every, 2.0) < 1e-12
    monkeypatch.setattr(proofs, "matched_exponent", lambda dist, sharpness: 8.0)
    assert proofs.matched_violation(every, 2.0) > 0.1


def test_student_t_becomes_harmax_and_no_other_exponent() -> None:
    assert proofs.student_t_excess(distances(), 6, (1, 0.1, 0.01, 1e-6)) < 1e-12
    # I-Con's 2n - 1 degrees of freedom are those of d^-2n
    assert proofs.student_t_excess(distances(), 12, (0.01,), limit=6) > 1


def test_bisection_finds_an_exponent() -> None:
    found = proofs.exponent_by_bisection(lambda n: 1 - 2**-n, 0.75)
    assert found == pytest.approx(2, rel=1e-9)


@pytest.mark.usefixtures("style")
def test_pulls_are_drawn() -> None:
    (axes,) = figures.pulls([1, 4], 10).axes
    line = axes.lines[1]
    d = np.asarray(line.get_xdata())
    assert line.get_ydata() == pytest.approx(36 * d**3 / (1 + 9 * d**4), rel=1e-9)
    assert line.get_label() == "n = 4"


@pytest.mark.usefixtures("style")
def test_confidence_is_drawn_with_its_dots() -> None:
    left, right = figures.confidence([1, 2], [10, 100]).axes
    curve, dot = left.lines[:2]
    ratio = np.asarray(curve.get_xdata())
    assert curve.get_ydata() == pytest.approx(1 / (1 + 9 / ratio), rel=1e-4)
    assert dot.get_xdata() == pytest.approx([81])
    assert right.lines[1].get_xdata() == pytest.approx([891])


@pytest.mark.usefixtures("style")
def test_regions_keep_their_borders_and_harden() -> None:
    prototypes = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    soft, hard = (
        np.asarray(a.images[0].get_array()) for a in figures.regions(prototypes, [1, 8], 2).axes
    )
    assert np.array_equal(soft[..., :3], hard[..., :3])
    assert hard[..., 3].mean() > soft[..., 3].mean()


@pytest.mark.usefixtures("style")
def test_spreads_are_drawn_beside_their_lines() -> None:
    line = torch.tensor([0.4, 0.2])
    (axes,) = figures.spreads([4, 16], {"a": [0.41, 0.19]}, {"a": line}).axes
    assert axes.lines[0].get_ydata() == pytest.approx(line.numpy())
    assert list(axes.lines[1].get_ydata()) == [0.41, 0.19]


@pytest.mark.usefixtures("style")
def test_sharpness_and_matched_exponents_are_drawn() -> None:
    left, right = figures.sharpness({"b": 0.5, "a": 0.25}, 8).axes
    assert [bar.get_width() for bar in left.patches] == [2, 4]
    assert [bar.get_width() for bar in right.patches] == [4, 2]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]


@pytest.mark.usefixtures("style")
def test_links_are_drawn_relative_to_distance_one() -> None:
    by_name = {"harmonic": hl.link("harmonic", exponent=4), "isomax": hl.link("isomax", tau=4)}
    left, _ = figures.links(by_name).axes
    d = np.asarray(left.lines[0].get_xdata())
    assert left.lines[0].get_ydata() == pytest.approx(-4 * np.log(d), rel=1e-9, abs=1e-9)
    assert left.lines[1].get_ydata() == pytest.approx(-4 * (d - 1), rel=1e-9, abs=1e-9)
