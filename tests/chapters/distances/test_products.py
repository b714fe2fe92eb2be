"""The checks of the chapters on Euclid, cosine and Mahalanobis hold, and fail on what is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial import distance as scipy_distance
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.distances.cosine import proofs
from harmonic_lib.chapters.distances.euclidean import proofs as euc
from harmonic_lib.chapters.distances.mahalanobis import figures, live
from harmonic_lib.chapters.distances.mahalanobis import proofs as mah
from harmonic_lib.experiments import distance_sweep as sweep
from harmonic_lib.measure.axioms import Pairwise, normal

EUCLID, COSINE = hl.distance("euclidean"), hl.distance("cosine")


def square(x: Tensor, w: Tensor) -> Tensor:
    return torch.cdist(x, w).square()


# --- Euclid -------------------------------------------------------------------------------------


def test_euclid_obeys_every_law() -> None:
    assert max(euc.violations(EUCLID, normal(20, 5)).values()) < 1e-12


def test_others_break_the_laws_that_they_should() -> None:
    points = normal(20, 5)

    def broken(d: Pairwise) -> set[str]:
        return {name for name, worst in euc.violations(d, points).items() if worst > 1e-3}

    assert broken(square) == {"triangle", "degree 1"}
    assert broken(hl.distance("manhattan")) == {"turned together"}
    assert broken(COSINE) == {"triangle", "degree 1", "moved together"}
    assert broken(lambda x, w: torch.cdist(x, 2 * w)) >= {"symmetric", "moved together"}


def test_the_counter_example_of_the_square() -> None:
    line = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    assert euc.triangle_violation(square, line) == pytest.approx(2)
    assert euc.triangle_violation(EUCLID, line) <= 1e-15


def test_gradients_of_length_one() -> None:
    assert euc.gradient_violation(EUCLID, euc.unit_gradient) < 1e-12
    other = hl.distance("manhattan")
    assert euc.gradient_violation(other, euc.unit_gradient) > 0.1


def test_the_strongest_pull_is_where_it_is_said_to_be() -> None:
    assert euc.pull_violation(3, 1e-4) < 1e-3
    assert list(euc.strongest_pull(1, 0.25)) == pytest.approx([0.5, 2], rel=1e-3)
    d = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
    log = -2 * (d.square() + 1e-3).log()
    numeric = (log - -2 * ((d + 1e-7).square() + 1e-3).log()) / 1e-7
    assert euc.pull(d, 2, 1e-3).tolist() == pytest.approx(numeric.tolist(), rel=1e-3)


def test_the_floor_of_two_points_by_hand() -> None:
    two = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    assert euc.floor_by_formula(two, 1, 1.0) == pytest.approx(math.log(1 + 1 / 5))
    assert euc.floor_violation(two, 1, 1.0) < 1e-12


def test_the_released_exponent_is_on_the_square() -> None:
    x, w = normal(40, 8), normal(6, 8, seed=1)
    theirs = euc.released_harmax(x, w, n=4, eps=0)
    assert (theirs - hl.harmax(EUCLID(x, w), 8)).abs().max() < 1e-10
    assert (theirs - hl.harmax(EUCLID(x, w), 4)).abs().max() > 0.1


def test_near_pairs_are_as_near_as_asked_for() -> None:
    x, w = euc.near_pairs(1e-2, 768, 768, 5, 0)
    assert (x - w).square().sum(-1).tolist() == pytest.approx([1e-2] * 5)
    assert x.square().sum(-1).tolist() == pytest.approx([768] * 5)


def test_expansion_loses_what_it_is_said_to_lose() -> None:
    x, w = (v.float() for v in euc.near_pairs(1e-4, 768, 768, 200, 0))
    assert (euc.expanded(x, w) <= 0).float().mean() > 0.1
    x, w = euc.near_pairs(1e-4, 768, 768, 200, 0)
    assert euc.expanded(x, w).tolist() == pytest.approx([1e-4] * 200, rel=1e-6)
    assert euc.signs(100, 768, 768, 0)[0] > 0.1
    assert euc.signs(100, 768, 1, 0) == (0, 0)


# --- cosine -------------------------------------------------------------------------------------


def test_cosine_is_euclid_with_twice_the_exponent() -> None:
    assert proofs.exponent_violation(COSINE) < 1e-12
    assert proofs.exponent_violation(proofs.half_square) < 1e-7
    assert proofs.exponent_violation(COSINE, factor=1) > 0.1
    assert proofs.exponent_violation(EUCLID) > 0.1


def test_lengths_do_not_matter_to_cosine_alone() -> None:
    assert proofs.separate_violation(COSINE) < 1e-12
    assert proofs.separate_violation(EUCLID) > 1


def test_the_triangle_that_cosine_breaks() -> None:
    points = proofs.at_degrees(0, 45, 90)
    assert euc.triangle_violation(COSINE, points) == pytest.approx(2**0.5 - 1)
    assert euc.triangle_violation(lambda x, w: COSINE(x, w).sqrt(), points) < 1e-12


def test_gradients_turn() -> None:
    assert proofs.radial_violation(COSINE) < 1e-12
    assert proofs.slope_violation(COSINE) < 1e-12
    assert proofs.radial_violation(EUCLID) > 0.1
    assert proofs.slope_violation(EUCLID) > 0.1


def test_prototypes_only_grow_without_weight_decay() -> None:
    assert proofs.growth_violation() <= 0
    assert proofs.growth_violation(weight_decay=0.01) > 1e-4
    assert proofs.shrinking(proofs.lengths_in_training("euclidean", steps=5)) > 1e-4


@pytest.mark.parametrize(
    ("tau", "alone", "balanced"),
    [(0.1, 0.0, 1.19), (0.3, 4.18, 7.49), (0.5, 6.83, 8.83), (1, 8.83, 9.83), (2, 9.83, 10.33)],
)
def test_the_floors_of_the_references(tau: float, alone: float, balanced: float) -> None:
    assert proofs.floor_alone(tau, 50_304) == pytest.approx(alone, abs=0.01)
    assert proofs.floor_balanced(tau, 50_304) == pytest.approx(balanced, abs=0.01)


def test_no_directions_come_below_the_floors() -> None:
    assert -0.01 < proofs.balanced_violation(proofs.tempered(0.7), 0.7, classes=6) < 1e-6
    assert proofs.balanced_violation(proofs.harmonic(8), 0.7, classes=6) > 0.1
    assert proofs.balanced_violation(proofs.tempered(0.3), 0.7, classes=6) > 0.1


@pytest.mark.parametrize("frequencies", [torch.full((6,), 1 / 6).double(), proofs.zipf(6)])
def test_the_simple_head_gains_one_bit_at_most(frequencies: Tensor) -> None:
    assert -0.05 < proofs.one_bit_violation(proofs.simple, frequencies) < 1e-6
    assert proofs.one_bit_violation(proofs.tempered(0.3), frequencies) > 0.1


def test_the_bound_of_one_bit_holds_for_every_input_of_random_heads() -> None:
    w = torch.nn.functional.normalize(normal(9, 3) + 0.5, dim=-1)
    x = torch.nn.functional.normalize(normal(50_000, 3, seed=1), dim=-1)
    s = w.mean(0)
    q = (1 - w @ s) / (1 - s.square().sum()) / 9
    assert float(q.sum()) == pytest.approx(1)
    largest = proofs.simple(x @ w.T).amax(0)
    assert (largest <= 2 * q + 1e-12).all()
    assert (largest > 1.99 * q).all()  # and it is reached


def test_entropy_of_equal_frequencies() -> None:
    assert proofs.entropy(torch.full((8,), 1 / 8)) == pytest.approx(math.log(8))
    assert float(proofs.zipf(3)[0]) == pytest.approx(6 / 11)


def test_small_angles_are_lost_by_the_released_layer_only() -> None:
    small = proofs.small_angles(torch.tensor([1e-4], dtype=torch.float64), torch.float32)
    assert float(small["exact"]) == pytest.approx(5e-9, rel=1e-6)
    assert float(small["ours"]) == pytest.approx(5e-9, rel=1e-2)
    assert float(small["released"]) != pytest.approx(5e-9, rel=0.5)


def test_the_unstable_layer_sees_lengths_where_they_are_small() -> None:
    assert proofs.nearest_changes(1.0) < 0.01
    assert proofs.nearest_changes(1e-3) > 0.2


# --- Mahalanobis --------------------------------------------------------------------------------


def test_the_formula_is_that_of_scipy() -> None:
    p = mah.some_precision()
    x, w = normal(3, 5), normal(2, 5, seed=1)
    ours = mah.by(p)(x, w)
    for i in range(3):
        for k in range(2):
            theirs = scipy_distance.mahalanobis(x[i].numpy(), w[k].numpy(), p.numpy())
            assert float(ours[i, k]) == pytest.approx(theirs)


def test_it_is_euclid_after_a_map() -> None:
    p = mah.some_precision()
    assert mah.map_violation(p) < 1e-12
    assert mah.map_violation(p, lambda q: q) > 1
    assert mah.map_violation(p, lambda q: mah.factor(q).T) > 0.1


def test_mahalanobis_is_a_metric_that_turning_changes() -> None:
    p, points = mah.some_precision(), normal(20, 5)
    d = hl.distance("mahalanobis", dim=5, precision=p).double().requires_grad_(False)
    found = euc.violations(d, points)
    assert found.pop("turned together") > 0.1
    assert max(found.values()) < 1e-12
    assert max(euc.violations(mah.by(2 * torch.eye(5).double()), points).values()) < 1e-12
    broken = euc.violations(lambda x, w: d(x, w).square(), points)
    assert min(broken["triangle"], broken["degree 1"]) > 0.1
    assert euc.violations(lambda x, w: d(x, 2 * w), points)["moved together"] > 0.1


def test_a_flat_matrix_merges_vectors() -> None:
    p, flat = mah.some_precision(), torch.diag(torch.tensor([0.0, 1, 2, 3, 4]).double())
    assert mah.merged_share(mah.by(p), p) == 0
    assert mah.merged_share(mah.by(flat), flat) == pytest.approx(1 / 5)


def test_harmax_does_not_see_the_size_of_p() -> None:
    p = mah.some_precision()
    assert mah.size_violation(lambda d: hl.harmax(d, 8), p) < 1e-12
    assert mah.size_violation(lambda d: (-d).softmax(-1), p) > 0.1
    assert mah.trace_violation(8) < 1e-12
    assert mah.trace_violation(8, "isomax") > 0.1


def test_classes_are_those_of_a_linear_layer_with_biases() -> None:
    p = mah.some_precision()
    assert mah.linear_disagreement(p) == 0
    assert mah.linear_disagreement(p, biased=False) > 0.1


def test_gradients_of_mahalanobis() -> None:
    p = mah.some_precision()
    assert mah.gradient_violation(p) < 1e-6
    assert mah.gradient_violation(p, lambda x, w, q: mah.by_hand(x, w, q) / 2) > 0.1
    assert mah.length_violation(p) <= 1e-12
    assert mah.length_violation(p, narrower=1.05) > 0.01


@pytest.mark.parametrize("form", ["full", "cholesky", "diagonal"])
def test_the_gradient_in_p(form: str) -> None:
    def twice(x: Tensor, w: Tensor, q: Tensor) -> Tensor:
        return 2 * mah.by_hand_in_p(x, w, q)

    p = mah.some_precision()
    assert mah.slope_in_p_violation(p) < 1e-12
    assert mah.slope_in_p_violation(p, twice) > 0.1
    assert mah.step_in_p_violation(form) < 1e-6
    assert mah.step_in_p_violation(form, twice) > 0.1


def test_where_the_released_layers_start() -> None:
    sizes = {"standard": 1.021, "diagonal": 1.0001, "cholesky": 0.0101}
    for form, size in sizes.items():
        start = mah.released_start(form)
        assert (start - size * torch.eye(4)).abs().max() < 1e-6
    assert (mah.effective(1.01 * torch.eye(3)) - 1.021 * torch.eye(3)).abs().max() < 1e-6


def test_the_released_matrix_goes_negative_in_training_and_ours_does_not() -> None:
    theirs, ours = (live.descend(which, 8, epochs=3) for which in ("released", "ours"))
    assert theirs[0].least == pytest.approx(1.021, abs=1e-3)
    assert theirs[-1].least < -0.1
    assert min(epoch.least for epoch in ours) > 0
    assert [epoch.negative for epoch in ours] == [0] * 4


def test_negative_forms_are_counted() -> None:
    p = torch.diag(torch.tensor([1.0, -1.0]))
    q = mah.forms(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 1.0], [1.0, 2.0]]), p)
    assert q.tolist() == [[3, -3]]


def test_a_linear_layer_before_euclid_trains() -> None:
    train, test = live.linear_then_euclid(16, (0, 1), epochs=2)
    assert 0.7 < test.mean < 1
    assert train.mean > 0.7


def test_separation_by_hand() -> None:
    data = sweep.digits()
    along = data.x[:, 20].double()
    groups = [along[data.y == k] for k in range(10)]
    within = sum(float((g - g.mean()).square().sum()) for g in groups)
    between = sum(len(g) * float((g.mean() - along.mean()).square()) for g in groups)
    found = live.separation(torch.eye(64)[20:21])
    assert float(found) == pytest.approx(between / within, rel=1e-4)


def test_weights_that_follow_the_separation_are_seen() -> None:
    logs = live.separation(torch.eye(64)).log()
    assert live.follows(2 * logs + 1) == pytest.approx(1)
    assert live.follows(-logs) == pytest.approx(-1)
    assert abs(live.follows(torch.linspace(0, 1, 64))) < 0.5


# --- figures ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_training_is_drawn() -> None:
    run = [live.Epoch(1.0, 0.0, 0.5), live.Epoch(-2.0, 0.25, 0.75)]
    least, negative, accuracy = figures.training({"a": run}).axes
    assert list(np.asarray(least.lines[0].get_ydata())) == [1, -2]
    assert list(np.asarray(negative.lines[0].get_ydata())) == [0, 25]
    assert list(np.asarray(accuracy.lines[0].get_ydata())) == [50, 75]


@pytest.mark.usefixtures("style")
def test_pictures_are_on_scales_of_their_own() -> None:
    figure = figures.pictures({"a": torch.arange(4.0), "none": torch.zeros(4)}, 2)
    image = figure.axes[0].images[0]
    assert np.asarray(image.get_array()).tolist() == [[0, 1], [2, 3]]
    assert (image.norm.vmin, image.norm.vmax) == (-3, 3)
    assert figure.axes[1].images[0].norm.vmax == 1
