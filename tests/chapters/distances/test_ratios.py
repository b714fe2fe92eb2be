"""Hamming, Canberra, Bray-Curtis: the statements hold, and their checks notice what is not so."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial import distance as scipy_distance
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.distances.bray_curtis import proofs
from harmonic_lib.chapters.distances.canberra import proofs as canberra
from harmonic_lib.chapters.distances.common import released_heads
from harmonic_lib.chapters.distances.hamming import proofs as hamming
from harmonic_lib.data import load
from harmonic_lib.measure import axioms

SOFT, HARD = hl.distance("hamming"), hl.distance("hamming", form="hard")
CANBERRA = hl.distance("canberra")
ROBUST = hl.distance("canberra", form="robust", min_denom=1.0)
WEIGHTED = hl.distance("canberra", form="weighted")
FORMS = {name: proofs.form(name) for name in proofs.FORMS}
ROUNDING = 1e-12


# --- Hamming ----------------------------------------------------------------------------------


def test_threshold_and_temperature_are_rulers() -> None:
    assert hamming.ruler_violation() < ROUNDING
    assert hamming.ruler_violation(lambda t, _: hamming.soft(t, 1.0)) > 0.1
    assert hamming.ruler_violation(hamming.hard) == 0
    assert hamming.ruler_violation(lambda _, temp: hamming.hard(0.5, temp)) > 0.1


def test_only_hard_bits_at_zero_do_not_see_a_factor() -> None:
    assert hamming.ruler_violation(hamming.hard, threshold=0) == 0
    assert hamming.factor_violation(hamming.hard, 0) == 0
    assert hamming.factor_violation(hamming.hard, 0.5) > 0.1
    assert hamming.factor_violation(hamming.soft, 0) > 0.1


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_warm_bits_are_manhattan_within_the_bounds(temperature: float) -> None:
    assert hamming.manhattan_violation(hamming.soft, temperature) < 1e-9
    assert hamming.manhattan_violation(lambda *_: HARD, temperature) > 0.05


def test_the_steepness_is_one_less_a_squared_tanh() -> None:
    expected = 1 - math.tanh(0.5 / (2 * 0.3)) ** 2
    assert hamming.steepness(0.5, 0.3) == pytest.approx(expected, rel=1e-12)


def test_only_logistic_noise_makes_soft_bits_of_hard_ones() -> None:
    assert hamming.threshold_violation(hamming.logistic) < 4
    assert hamming.threshold_violation(hamming.gumbel) > 8


def test_slopes_of_bits() -> None:
    assert axioms.slope_violation(SOFT, hamming.soft_slope) < ROUNDING
    assert axioms.slope_violation(HARD, hamming.hard_slope) < ROUNDING
    assert axioms.slope_violation(HARD, hamming.soft_slope) > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_bits_get_a_slope_by_rounding_in_the_released_layer_alone(dtype: torch.dtype) -> None:
    assert hamming.rounding_share(hamming.our_bits, dtype) == 0
    assert hamming.rounding_share(hamming.released_bits, dtype) > 0.1


def test_different_bits_get_the_same_slope_from_both() -> None:
    x, w = hamming.sample_bits(torch.float64)
    differ = (x > 0.5) != (w > 0.5)
    theirs = hamming.bit_gradient(hamming.released_bits, x, w)[differ].sign()
    ours = hamming.bit_gradient(hamming.our_bits, x, w)[differ].sign()
    assert torch.equal(theirs, ours)
    assert torch.equal(theirs, (w - x)[differ].sign())


def test_a_released_vector_is_far_from_itself_and_ours_is_not() -> None:
    x = torch.rand(64, generator=torch.Generator().manual_seed(0))
    assert hamming.own_distances(0.5, x, draws=5).min() > 5
    ours = hl.distance("hamming", form="gumbel", temperature=0.5).train()
    assert ours(x, x[None]).abs().max() == 0


def test_separate_noise_makes_bits_differ_by_the_formula() -> None:
    q = torch.tensor(0.8).sigmoid().item()
    share = hamming.differing_share(0.8, hamming.logistic)
    assert share == pytest.approx(2 * q * (1 - q), abs=0.004)
    assert hamming.differing_share(0.0, hamming.gumbel) == pytest.approx(0.465, abs=0.004)


def test_ties_and_changes_are_counted() -> None:
    x = torch.tensor([[0.9, 0.1], [0.9, 0.9]])
    w = torch.tensor([[0.8, 0.2], [0.7, 0.3], [0.6, 0.6]])
    assert hamming.tied_share(HARD, x, w) == 0.5
    assert hamming.tied_share(SOFT, x, w) == 0
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert hamming.changed_share(first, first.flip(0)) == 1
    assert hamming.changed_share(first, first) == 0


@pytest.mark.parametrize("name", ["hamming_soft", "canberra_standard", "bray_curtis_abs"])
def test_released_logits_are_those_of_the_layer(name: str) -> None:
    x, w = torch.rand(2, 9, 7, generator=torch.Generator().manual_seed(0))
    for conversion in ("log", "negative"):
        expected = hl.released.logits(hl.released.similarity(name, x, w), conversion)
        assert torch.equal(released_heads.released_logits(name, conversion)(x, w), expected)


# --- Canberra ---------------------------------------------------------------------------------


def test_canberra_is_a_metric_and_its_relatives_are_not() -> None:
    assert canberra.triangle_violation(CANBERRA) < ROUNDING
    assert canberra.triangle_violation(ROBUST) > 0.1
    direct, by = canberra.detour(WEIGHTED, [1.8, 0.2], [1.8, 1.9], [0.4, 1.9])
    assert direct > by + 0.05
    direct, by = canberra.detour(ROBUST, [0.0], [0.5], [1.0])
    assert (direct, by) == pytest.approx((1, 5 / 6))


def test_units_and_logarithms() -> None:
    assert canberra.unit_violation(CANBERRA) < ROUNDING
    assert canberra.unit_violation(WEIGHTED) > 0.1
    assert canberra.tanh_violation(CANBERRA) < ROUNDING
    assert canberra.tanh_violation(ROBUST) > 0.1


def test_weighted_is_bray_curtis_for_the_power_one_alone() -> None:
    assert canberra.identity_violation(1.0) < ROUNDING
    assert canberra.identity_violation(0.5) > 0.01


def test_the_slope_of_canberra_and_what_it_freezes() -> None:
    assert axioms.slope_violation(CANBERRA, canberra.slope) < 1e-9
    assert axioms.slope_violation(WEIGHTED, canberra.slope) > 1
    assert canberra.frozen_violation("canberra") < 1e-6
    assert canberra.frozen_violation("manhattan") > 0.1
    assert canberra.unfed_violation("canberra") == 0
    for name in ("manhattan", "bray_curtis"):
        assert canberra.unfed_violation(name) > 0.1


def test_dead_features_add_their_number_and_flatten() -> None:
    assert canberra.dead_violation(CANBERRA) < 1e-9
    assert canberra.dead_violation(hl.distance("manhattan")) > 1
    assert canberra.spread_excess(CANBERRA) < 0
    assert canberra.spread_excess(hl.distance("euclidean")) > 0


def test_terms_that_are_one_are_those_of_scipy() -> None:
    x, w = torch.randn(2, 6, 11, generator=torch.Generator().manual_seed(0))
    x = x.relu()
    rows = [
        scipy_distance.canberra(a[i : i + 1].numpy(), b[i : i + 1].numpy())
        for a in x
        for b in w
        for i in range(11)
    ]
    share = sum(one == 1 for one in rows) / len(rows)
    assert canberra.ones_share(x, w) == pytest.approx(share)


def test_random_features_and_first_prototypes() -> None:
    images = load("digits", "train").images.flatten(1)
    features = canberra.relu_features(images, width=64)
    assert features.shape == (len(images), 64)
    assert float(features.min()) == 0
    assert 0.4 < float((features == 0).float().mean()) < 0.6
    first = released_heads.first_prototypes(10, 256)
    assert float(first.abs().max()) <= 1 / 16
    assert float(first.min()) < 0


# --- Bray-Curtis ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["abs", "normalized"])
def test_two_forms_stay_in_the_unit_interval(name: str) -> None:
    assert proofs.range_excess(FORMS[name]) < ROUNDING


def test_the_standard_form_does_so_for_counts_alone() -> None:
    assert proofs.range_excess(FORMS["standard"], signed=False) < ROUNDING
    assert proofs.range_excess(FORMS["standard"]) > 1


def test_a_detour_by_a_bit_of_everything_is_short() -> None:
    for name, expected in (("standard", 2 / 3), ("abs", 2 / 3), ("normalized", 1.0)):
        direct, by = canberra.detour(FORMS[name], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0])
        assert (direct, by) == pytest.approx((1, expected))


@pytest.mark.parametrize("name", FORMS)
def test_compositions_are_compared_by_total_variation(name: str) -> None:
    assert proofs.half_manhattan_violation(FORMS[name]) < ROUNDING
    assert proofs.events_violation(FORMS[name]) < ROUNDING
    assert proofs.half_manhattan_violation(hl.distance("cosine")) > 0.01
    assert proofs.events_violation(hl.distance("cosine")) > 0.01


def test_only_the_normalized_form_sees_neither_size_nor_sign() -> None:
    assert proofs.separate_violation(FORMS["normalized"]) < ROUNDING
    assert proofs.radial_violation(FORMS["normalized"]) < ROUNDING
    for name in ("standard", "abs"):
        assert proofs.separate_violation(FORMS[name]) > 0.1
        assert proofs.radial_violation(FORMS[name]) > 0.1


def test_a_distance_that_ignores_the_sign_of_whole_vectors_alone_is_found_out() -> None:
    def unsigned(x: Tensor, w: Tensor) -> Tensor:
        cosine: Tensor = 1 - hl.distance("cosine")(x, w)
        return 1 - cosine.abs()

    x, w = axioms.normal(5, 6), axioms.normal(3, 6, seed=1)
    assert torch.allclose(unsigned(7 * x, -w), unsigned(x, w))
    assert proofs.separate_violation(unsigned) > 0.1


@pytest.mark.parametrize("name", ["abs", "normalized"])
def test_how_far_own_prototypes_can_be_in_two_forms(name: str) -> None:
    assert axioms.reversal_violation(FORMS[name]) == pytest.approx(0, abs=1e-9)


def test_the_standard_form_has_no_such_limit() -> None:
    assert axioms.reversal_violation(FORMS["standard"]) > 100


@pytest.mark.parametrize("name", ["abs", "normalized"])
def test_reversed_compositions_are_as_far_as_asked(name: str) -> None:
    x, w = proofs.reversed_compositions(0.01, classes=6)
    assert float(x.min()) > 0
    assert torch.allclose(x.sum(1), w.sum(1))
    rows = [[scipy_distance.braycurtis(a, b) for b in w.numpy()] for a in x.numpy()]
    dist = torch.tensor(rows)
    own = torch.eye(6, dtype=torch.bool)
    assert torch.allclose(dist[~own], torch.tensor(0.01).double())
    assert torch.allclose(dist[own], torch.tensor(0.025).double())
    assert torch.allclose(FORMS[name](x, w), dist)


@pytest.mark.parametrize("name", FORMS)
def test_the_released_floors_break_the_scale_invariance(name: str) -> None:
    assert proofs.joint_violation(FORMS[name], 1e-3) < ROUNDING
    assert proofs.joint_violation(proofs.released_distance(name), 1e-3) > 0.1


def test_slopes_of_quotients() -> None:
    slopes = {"abs": proofs.abs_slope, "standard": proofs.standard_slope}
    for name, slope in slopes.items():
        for other in slopes:
            found = axioms.slope_violation(FORMS[other], slope)
            assert found < 1e-9 if other == name else found > 0.1


def test_the_released_denominator_is_the_smaller_and_has_a_favourite() -> None:
    theirs = proofs.released_distance("standard")
    assert proofs.order_violation(FORMS["standard"], theirs) < 0
    assert proofs.order_violation(theirs, FORMS["standard"]) > 1
    x = axioms.normal(300, 64)
    x -= x.mean(-1, keepdim=True)
    w = released_heads.first_prototypes(10, 64).double()
    assert proofs.favourite_share(theirs, x, w) > 0.95
    assert proofs.favourite_share(FORMS["standard"], x, w) < 0.5
    assert proofs.disagreement(theirs, FORMS["standard"], x, w) > 0.5
    assert proofs.disagreement(theirs, theirs, x, w) == 0


def test_features_that_sum_to_zero_leave_the_released_denominator() -> None:
    theirs = proofs.released_distance("standard")
    x = axioms.normal(100, 64)
    centred = x - x.mean(-1, keepdim=True)
    w = released_heads.first_prototypes(10, 64).double()
    assert proofs.zero_sum_violation(theirs, centred, w) < 1e-9
    assert proofs.zero_sum_violation(theirs, x, w) > 0.1
    for name in ("standard", "abs"):
        assert proofs.zero_sum_violation(FORMS[name], centred, w) > 0.1


def test_the_denominators_agree_for_counts() -> None:
    x, w = axioms.normal(20, 5).abs(), axioms.normal(4, 5, seed=1).abs()
    expected = torch.from_numpy(scipy_distance.cdist(x.numpy(), w.numpy(), "braycurtis"))
    no_eps: Tensor = hl.released.layers.bray_curtis(x, w, (x[:, None] + w).sum(-1).abs(), 0.0)
    assert torch.allclose(no_eps, expected)
    assert torch.allclose(FORMS["standard"](x, w), expected)
