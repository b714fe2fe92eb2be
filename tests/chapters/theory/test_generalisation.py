"""Every check of the chapter on generalisation holds, and fails where a premise is broken."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chi2, norm
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.generalisation import bounds, figures, live, proofs
from harmonic_lib.measure.margins import distance_margin, log_ratio_margin, squared_margin

CENTRE = torch.zeros(2, dtype=torch.float64)


def metric(x: Tensor, y: Tensor, w: Tensor) -> float:
    return bounds.metric_bound(x, y, w, torch.zeros(x.shape[1]), 2.0).value


def squared(x: Tensor, y: Tensor, w: Tensor) -> float:
    return bounds.squared_bound(x, y, w, torch.zeros(x.shape[1]), 2.0).value


def without_complexity(x: Tensor, y: Tensor, w: Tensor) -> float:
    """A bound that charges for certainty, and nothing for the choice of the prototypes."""
    return bounds.held_out_bound(x, y, w)


# The margins, by hand.


def test_margins_by_hand() -> None:
    dist = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [2.0, 2.0, 8.0]])
    y = torch.tensor([0, 2, 0])
    assert distance_margin(dist, y).tolist() == [1, -3, 0]
    expected = torch.tensor([math.log(2), -math.log(4), 0])
    torch.testing.assert_close(log_ratio_margin(dist, y), expected)


def test_the_squared_margin_by_hand() -> None:
    x, w = torch.tensor([[3.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    # squared distances 1 and 9, input of length 3, radius 4: (9 - 1) / 2 / 5
    margin = squared_margin(x, w, torch.tensor([0]), torch.zeros(2), 4.0)
    assert margin.item() == pytest.approx(0.8)


def test_one_class_has_no_margin() -> None:
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        distance_margin(torch.ones(3, 1), torch.zeros(3, dtype=torch.int64))


# The ingredients, against SciPy and brute force.


@pytest.mark.parametrize(("dim", "radius"), [(1, 0.3), (2, 5.0), (64, 3.0), (64, 8.0), (784, 28.0)])
def test_the_ball_is_that_of_chi_square(dim: int, radius: float) -> None:
    assert bounds.log_ball_mass(dim, radius) == pytest.approx(
        chi2.logcdf(radius**2, dim), rel=1e-9, abs=1e-8
    )


def test_a_tiny_ball_does_not_underflow_and_a_huge_one_costs_nothing() -> None:
    tiny = bounds.log_ball_mass(784, 0.01)  # SciPy says -inf
    volume = 392 * math.log(0.01**2 / 2) - math.lgamma(393)
    assert tiny == pytest.approx(volume, rel=1e-6)
    assert bounds.log_ball_mass(784, 1e4) == pytest.approx(0, abs=1e-9)


def test_the_normal_distribution() -> None:
    for value in (-9.0, -1.0, 0.0, 2.0):
        assert bounds.normal_cdf(value) == pytest.approx(norm.cdf(value), rel=1e-12)


def test_the_inverse_undoes_the_relative_entropy() -> None:
    q = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).double()
    p = bounds.kl_inverse(q, torch.full((5,), 0.05).double())
    assert (p >= q).all()
    torch.testing.assert_close(bounds.binary_kl(q[:4], p[:4]), torch.full((4,), 0.05).double())
    assert p[4] == 1
    assert p[0].item() == pytest.approx(-math.expm1(-0.05))
    assert (p <= q + math.sqrt(0.05 / 2)).all()  # Pinsker


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_moment_by_brute_force(size: int) -> None:
    exact = sum(
        math.comb(size, k) * (k / size) ** k * (1 - k / size) ** (size - k) for k in range(size + 1)
    )
    assert math.exp(bounds.log_moment(size)) == pytest.approx(exact)
    assert exact <= size + 1


# Each check holds, and fails on purpose.


@pytest.mark.parametrize("name", ["euclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("exponent", [1.0, 8.0, 64.0])
def test_the_loss_lies_between_its_bounds(name: str, exponent: float) -> None:
    assert proofs.sandwich_violation(name, exponent) < 1e-9


def test_the_bounds_fail_for_the_exponent_of_the_squared_distance() -> None:
    assert proofs.sandwich_violation(exponent=4.0, assumed=8.0) > 1


def test_the_reported_term_grows_with_the_unit() -> None:
    assert proofs.scaling_violation("euclidean") < 1e-9
    assert proofs.scaling_violation("manhattan", factor=0.01) < 1e-9


def test_a_distance_without_a_unit_breaks_the_scaling() -> None:
    assert proofs.scaling_violation("canberra") > 1


def test_the_reported_term_by_hand() -> None:
    x, w = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert bounds.reported_term(x, torch.tensor([0]), w) == pytest.approx(2 * 1 / 1)
    assert bounds.reported_term(x, torch.tensor([1]), w) == math.inf


def test_the_adversary_is_right_on_its_sample_and_wrong_elsewhere() -> None:
    x, y, rows, w = bounds.adversary(30)
    assert bounds.error(x[rows], y[rows], w) == 0
    assert bounds.error(x, y, w) == 1 - len(rows.unique()) / len(x)
    assert bounds.error(x, y, w) >= 0.75
    assert bounds.error(x, y, -w) == pytest.approx(1 - bounds.error(x, y, w))
    assert bounds.reported_term(1e-3 * x[rows], y[rows], 1e-3 * w) < 0.02


def test_the_moment_is_the_same_for_every_coin_and_a_larger_power_breaks_it() -> None:
    assert proofs.moment_violation() < 1e-9
    assert proofs.moment_violation(power=1.1) > 1


def test_pac_bayes_fails_seldom_enough_and_often_when_certainty_is_free() -> None:
    assert proofs.pac_bayes_violation() <= 0
    assert proofs.pac_bayes_violation(repeats=200, moment=-3.0) > 0.2


@pytest.mark.parametrize("name", [n for n, spec in hl.DISTANCES.items() if spec.metric])
def test_metrics_keep_margins(name: str) -> None:
    options = {"mahalanobis": {"dim": 5}, "minkowski": {"p": 3.0}}.get(name, {})
    assert proofs.triangle_violation(hl.distance(name, **options).double()) <= 1e-12


def test_the_cosine_distance_does_not_keep_margins() -> None:
    assert proofs.triangle_violation(hl.distance("cosine")) > 0.1


def test_a_shifted_interval_keeps_its_mass_if_it_is_symmetric() -> None:
    assert proofs.shifted_mass_violation() < 1e-12
    assert proofs.shifted_mass_violation(-0.1, 0.7) > 0.1


def test_noise_on_the_linear_form() -> None:
    for width in (0.5, 1.0, 2.0):
        assert proofs.noise_violation(width) < 4
    assert proofs.noise_violation(1.5, assumed=1.5 * math.sqrt(2)) > 10  # one noise, not two


def test_the_linear_form_needs_one_radius() -> None:
    assert proofs.linear_form_violation() < 1e-12
    assert proofs.linear_form_violation(lifted_radius=1.0) > 0.05


@pytest.mark.parametrize("bound", [metric, squared])
def test_the_bounds_hold_where_the_truth_is_known(bound: bounds.BoundOf) -> None:
    assert proofs.bound_violation(bound, repeats=5) <= 0


def test_a_bound_without_complexity_is_broken_by_the_adversary() -> None:
    assert proofs.bound_violation(without_complexity, repeats=1) > 0.5


@pytest.mark.parametrize("bound", [bounds.metric_bound, bounds.squared_bound])
def test_the_bounds_have_no_unit_and_no_origin(bound: object) -> None:
    assert proofs.invariance_violation(bound) < 1e-9


def test_a_radius_that_stays_behind_breaks_the_invariance() -> None:
    def stuck(x: Tensor, y: Tensor, w: Tensor, centre: Tensor, radius: float) -> bounds.Bound:
        return bounds.metric_bound(x, y, w, centre, 0.1)

    assert proofs.invariance_violation(stuck) > 0.1


# The bounds themselves.


def test_the_metric_bound_is_its_formula() -> None:
    x, y = bounds.clouds(500, torch.Generator().manual_seed(1))
    w = torch.tensor([[1.5, 0.0], [-0.75, 1.3], [-0.75, -1.3]]).double()
    found = bounds.metric_bound(x, y, w, CENTRE, 2.0, delta=0.1, steps=6)
    ball = chi2.cdf((found.margin / 4 / found.scale) ** 2, 2)
    complexity = float(w.square().sum()) / (2 * found.scale**2) - 3 * math.log(ball)
    assert found.complexity == pytest.approx(complexity)
    fixed = bounds.log_moment(500) + math.log(36 / 0.1)
    assert found.charge == pytest.approx((complexity + fixed) / 500)
    missed = float((distance_margin(torch.cdist(x, w), y) <= found.margin).double().mean())
    assert found.margin_error == missed
    entropy = bounds.binary_kl(torch.tensor(missed), torch.tensor(found.value))
    assert float(entropy) == pytest.approx(found.charge, rel=1e-4)


def test_the_squared_bound_is_its_formula() -> None:
    x, y = bounds.clouds(20_000, torch.Generator().manual_seed(1))
    w = torch.tensor([[1.5, 0.0], [-0.75, 1.3], [-0.75, -1.3]]).double()
    found = bounds.squared_bound(x, y, w, CENTRE, 2.0, delta=0.1, steps=6, widths=(2.0,))
    v = torch.cat([w, -w.square().sum(1, keepdim=True) / 4], 1)
    spread = float((v - v.mean(0)).square().sum())
    assert found.complexity == pytest.approx(16 * spread / found.margin**2)
    fixed = bounds.log_moment(20_000) + math.log(6 / 0.1)
    assert found.charge == pytest.approx((found.complexity + fixed) / 20_000)
    stray = 2 * norm.cdf(-2)
    seen = torch.tensor(found.margin_error + (1 - found.margin_error) * stray).double()
    limit = bounds.kl_inverse(seen, torch.tensor(found.charge).double())
    assert found.value == pytest.approx(float(limit) / norm.cdf(2), rel=1e-6)


def test_size_needed_is_the_smallest() -> None:
    x, y = bounds.clouds(200, torch.Generator().manual_seed(1))
    w = torch.stack([x[y == k].mean(0) for k in range(3)])
    found = bounds.metric_bound(x, y, w, CENTRE, 2.0)
    assert bounds.size_needed(found, found.value + 1e-9) == pytest.approx(200, abs=1)
    assert bounds.size_needed(found, found.value / 2) > 300
    with pytest.raises(ValueError, match="must be above"):
        bounds.size_needed(found, found.margin_error)


# The experiment.


@pytest.mark.usefixtures("style")
def test_heads_and_figures() -> None:
    found = live.heads("smoke")
    assert list(found) == ["class means", "n = 2", "n = 16", "n = 16, shuffled"]
    assert [len(runs) for runs in found.values()] == [1, 3, 3, 3]
    learned, shuffled = found["n = 16"][0], found["n = 16, shuffled"][0]
    assert learned.test_error < 0.5 < 0.8 < shuffled.test_error
    assert learned.test_error < learned.held_out < 0.6
    assert learned.train_error == float((learned.distance <= 0).double().mean())
    kept = live.true_labels(found)
    assert list(kept) == ["class means", "n = 2", "n = 16"]
    rates = [live.average(runs, live.ERRORS[1]) for runs in kept.values()]
    limits = [live.average(runs, live.BOUNDS[0]) for runs in kept.values()]
    together = sum(
        (rates[a] < rates[b]) == (limits[a] < limits[b]) for a, b in [(0, 1), (0, 2), (1, 2)]
    )
    assert live.same_order(kept) == (together, 3)
    assert "digits" in live.describe("smoke")
    rows = figures.bounds_of_heads(found, 0.9)
    assert [label.get_text() for label in rows.axes[0].get_yticklabels()] == list(found)
    left, right = figures.margins(found).axes
    assert len(left.lines) == len(right.lines) == len(found) + 1


def test_training_repeats_itself_and_seeds_differ() -> None:
    x, y = bounds.clouds(300, torch.Generator().manual_seed(1))
    setting = ("digits", 4.0, 2, (0, 1), x.float(), y, 3)
    (first, other), (again, _) = live.train_heads(*setting), live.train_heads(*setting)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("style")
def test_growing_samples_narrow_the_bounds() -> None:
    runs = live.growing_samples("smoke")
    (small, few), (large, many) = runs
    assert (small, large) == (100, 1_000)
    assert many.test_error < many.metric.value < few.metric.value < 1
    assert many.test_error < many.squared.value < few.squared.value
    lines = figures.growing(runs).axes[0].lines
    assert list(lines[2].get_ydata()) == [few.test_error, many.test_error]


@pytest.mark.parametrize("run", [live.heads, live.growing_samples, live.describe])
def test_unknown_profile(run: object) -> None:
    with pytest.raises(ValueError, match="unknown profile"):
        run("quik")
