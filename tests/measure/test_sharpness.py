"""Spreads and matched exponents against NumPy, by hand and on closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import harmonic_lib as hl
from harmonic_lib.measure.sharpness import (
    build,
    matched_exponent,
    spread_of_every_form,
    spread_of_logs,
)


def test_the_spread_by_hand() -> None:
    # logs 0 and 2: deviation 1; logs 1 and 1: deviation 0
    dist = torch.tensor([[1.0, math.e**2], [math.e, math.e]])
    assert spread_of_logs(dist) == pytest.approx(0.5, rel=1e-6)


def test_the_spread_is_that_of_numpy(rng: np.random.Generator) -> None:
    dist = rng.uniform(0.1, 5, size=(4, 6, 7))
    expected = np.log(dist).std(-1).mean()
    assert spread_of_logs(torch.tensor(dist)) == pytest.approx(expected, rel=1e-12)


def test_the_spread_does_not_see_a_common_factor(rng: np.random.Generator) -> None:
    dist = torch.tensor(rng.uniform(0.1, 5, size=(6, 7)))
    assert spread_of_logs(1e20 * dist) == pytest.approx(spread_of_logs(dist), rel=1e-10)


def test_a_distance_of_zero_counts_as_the_floor() -> None:
    spread = spread_of_logs(torch.tensor([0.0, 1.0]))
    assert spread == pytest.approx(-math.log(torch.finfo().tiny / torch.finfo().eps) / 2)


def test_half_precision_is_raised_first() -> None:
    dist = torch.tensor([1.0, 4.0], dtype=torch.bfloat16)
    assert spread_of_logs(dist) == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 7.0])
def test_the_matched_exponent_gives_the_sharpness_asked_for(sharpness: float) -> None:
    x, w = torch.randn(50, 12), torch.randn(10, 12)
    dist = hl.distance("euclidean")(x, w)
    logits = hl.harmonic_logits(dist, matched_exponent(dist, sharpness))
    deviations = logits.numpy().astype(np.float64).std(-1)
    assert deviations.mean() == pytest.approx(sharpness, rel=1e-4)


def test_equal_distances_match_no_exponent() -> None:
    with pytest.raises(ValueError, match=r"spread of the log-distances .* got 0\.0"):
        matched_exponent(torch.ones(3, 4))


@pytest.mark.parametrize("sharpness", [0.0, -1.0, math.inf, math.nan])
def test_a_sharpness_is_positive_and_finite(sharpness: float) -> None:
    with pytest.raises(ValueError, match="sharpness must be a positive finite number"):
        matched_exponent(torch.tensor([1.0, 2.0]), sharpness)


def test_distances_are_floating_point_numbers() -> None:
    with pytest.raises(TypeError, match="floating-point"):
        spread_of_logs(torch.tensor([1, 2]))


def test_every_form_of_every_distance_has_its_spread() -> None:
    x, w = torch.rand(20, 8), torch.rand(5, 8)
    spreads = spread_of_every_form(x, w)
    assert len(spreads) == sum(len(list(spec.every_form())) for spec in hl.DISTANCES.values())
    expected = np.log(torch.cdist(x, w).numpy()).std(-1).mean()
    assert spreads["euclidean"] == pytest.approx(expected, rel=1e-4)
    assert spreads["minkowski: p < 1"] != pytest.approx(spreads["minkowski"], rel=1e-3)
    assert spreads["mahalanobis: diagonal"] == pytest.approx(spreads["euclidean"], rel=1e-3)


def test_it_is_built_without_the_noise_of_training() -> None:
    (gumbel,) = [f for f in hl.DISTANCES["hamming"].forms if f.form == "gumbel"]
    x, w = torch.rand(3, 8), torch.rand(2, 8)
    assert torch.equal(build(gumbel, 8)(x, w), build(gumbel, 8)(x, w))
