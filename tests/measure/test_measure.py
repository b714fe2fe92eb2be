"""Intervals against SciPy, geometry against NumPy."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy import stats
from torch import nn

import harmonic_lib as hl
from harmonic_lib.measure import class_means, mutual_cosine, prototype_alignment, prototypes
from harmonic_lib.statistics import confidence_interval, prediction_interval


@given(
    values=st.lists(st.integers(0, 1000).map(lambda i: i / 1000), min_size=2, max_size=8),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_the_interval_is_that_of_scipy(values: list[float], level: float) -> None:
    ours = confidence_interval(values, level)
    if len(set(values)) == 1:  # SciPy has no interval of width 0
        assert (ours.low, ours.high) == (ours.mean, ours.mean)
        return
    scale = stats.sem(values)
    low, high = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=scale)
    assert ours.low == pytest.approx(low, rel=1e-9, abs=1e-12)
    assert ours.high == pytest.approx(high, rel=1e-9, abs=1e-12)


def test_the_interval_by_hand() -> None:
    # t is 4.302653 at two degrees of freedom, s is 0.01
    ours = confidence_interval([0.92, 0.93, 0.94])
    assert ours.mean == pytest.approx(0.93)
    assert ours.half_width == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-6)


def test_the_interval_contains_what_lies_between_its_ends() -> None:
    interval = confidence_interval([0.92, 0.93, 0.94])
    assert interval.mean in interval
    assert interval.low in interval
    assert interval.high in interval
    assert 0.90 not in interval
    assert 0.96 not in interval


@pytest.mark.parametrize("values", [[], [0.5]])
def test_one_run_has_no_interval(values: list[float]) -> None:
    with pytest.raises(ValueError, match=f"at least two values, got {len(values)}"):
        confidence_interval(values)


def test_class_means_are_those_of_numpy(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 3)), rng.permutation(np.arange(20) % 4)
    expected = [x[y == k].mean(0) for k in range(4)]
    np.testing.assert_allclose(class_means(torch.tensor(x), torch.tensor(y), 4), expected)


def test_an_empty_class_has_no_mean() -> None:
    means = class_means(torch.ones(2, 3), torch.tensor([0, 2]), 3)
    assert means.isnan().any(1).tolist() == [False, True, False]


def test_alignment_is_the_mean_cosine(rng: np.random.Generator) -> None:
    w, m = rng.normal(size=(2, 5, 3))
    cosines = (w * m).sum(1) / np.linalg.norm(w, axis=1) / np.linalg.norm(m, axis=1)
    assert prototype_alignment(torch.tensor(w), torch.tensor(m)) == pytest.approx(cosines.mean())


def test_alignment_looks_at_directions_only() -> None:
    w = torch.randn(4, 6)
    assert prototype_alignment(3 * w, w) == pytest.approx(1)
    assert prototype_alignment(-w, w) == pytest.approx(-1)


@pytest.mark.parametrize("head", [nn.Linear(3, 2), hl.HarmonicHead(3, 2)])
def test_prototypes_are_the_weight_apart_from_its_graph(head: nn.Module) -> None:
    assert torch.equal(prototypes(head), head.weight)
    assert not prototypes(head).requires_grad


def test_one_more_run_falls_into_the_prediction_interval_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(size=(4000, 4))
    inside = [one in prediction_interval(list(three)) for *three, one in draws]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_mutual_cosine_leaves_out_each_class_with_itself() -> None:
    means = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    assert mutual_cosine(means) == pytest.approx((0 + 0.5**0.5 + 0.5**0.5) / 3)
