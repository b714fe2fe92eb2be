"""HarMax against its power form, and what the log domain adds to it."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.harmax import floor

DISTANCES = arrays(np.float64, (3, 5), elements=st.floats(0.1, 10))
EXPONENTS = st.floats(0.1, 20)
FLOATS = [torch.float64, torch.float32]


def ours(d: np.ndarray, n: float) -> np.ndarray:
    return hl.harmax(torch.tensor(d), n).numpy()


@given(d=DISTANCES, n=EXPONENTS)
def test_is_the_power_form(d: np.ndarray, n: float) -> None:
    power = d**-n
    np.testing.assert_allclose(ours(d, n), power / power.sum(-1, keepdims=True), rtol=1e-10)


@given(d=DISTANCES, n=EXPONENTS)
def test_is_a_softmax_of_minus_n_log_d(d: np.ndarray, n: float) -> None:
    np.testing.assert_allclose(ours(d, n), softmax(-n * np.log(d), axis=-1), rtol=1e-10)
    np.testing.assert_allclose(hl.harmonic_logits(torch.tensor(d), n), -n * np.log(d), rtol=1e-12)


@given(d=DISTANCES, n=EXPONENTS)
def test_sums_to_one(d: np.ndarray, n: float) -> None:
    np.testing.assert_allclose(ours(d, n).sum(-1), 1, rtol=1e-12)


@given(d=DISTANCES, n=EXPONENTS, scale=st.floats(1e-6, 1e6))
def test_a_common_factor_cancels(d: np.ndarray, n: float, scale: float) -> None:
    np.testing.assert_allclose(ours(scale * d, n), ours(d, n), rtol=1e-10)


def test_holds_where_the_power_form_overflows() -> None:
    p = hl.harmax(torch.tensor([1e-3, 2e-3, 1.0]), 784)
    assert torch.equal(p, torch.tensor([1.0, 0.0, 0.0]))


def test_gradients_are_those_of_finite_differences() -> None:
    d = torch.rand(3, 4, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(lambda d: hl.harmax(d, 2.5), d.requires_grad_())


@pytest.mark.parametrize(("dtype", "order"), [(torch.float32, -31), (torch.float64, -292)])
def test_the_floor_is_where_it_is_said_to_be(dtype: torch.dtype, order: int) -> None:
    assert round(math.log10(floor(dtype))) == order


@pytest.mark.parametrize("dtype", FLOATS)
def test_below_the_floor_all_distances_are_one(dtype: torch.dtype) -> None:
    d = torch.tensor([0.0, floor(dtype) / 2, floor(dtype)], dtype=dtype)
    z = hl.harmonic_logits(d, 3)
    assert torch.equal(z, z[2].expand(3))
    assert float(z[2]) == pytest.approx(-3 * math.log(floor(dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_slope_is_finite_above_the_floor_and_zero_below(dtype: torch.dtype) -> None:
    d = torch.tensor([0.0, 0.5, 2.0], dtype=dtype) * floor(dtype)
    largest_exponent = 1 / torch.finfo(dtype).eps
    (slope,) = torch.autograd.grad(
        hl.harmonic_logits(d.requires_grad_(), largest_exponent).sum(), d
    )
    assert (slope[:2] == 0).all()
    assert slope[2].isfinite()
    assert slope[2] < 0


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
    ids=str,
)
def test_works_in_single_precision_or_better(given_dtype: torch.dtype, dtype: torch.dtype) -> None:
    assert hl.harmax(torch.ones(2, dtype=given_dtype), 1).dtype == dtype


@pytest.mark.parametrize("exponent", [0, -1, -0.5, math.inf, math.nan, True, "2", None, 1j])
def test_refuses_an_exponent_that_is_no_positive_number(exponent: object) -> None:
    with pytest.raises(ValueError, match="exponent must be a positive") as raised:
        hl.harmax(torch.ones(2), exponent)  # type: ignore[arg-type]
    assert f"got {exponent!r}" in str(raised.value)


@pytest.mark.parametrize(
    ("dist", "what"), [(torch.ones(2, dtype=torch.int64), "torch.int64"), ([1.0, 2.0], "list")]
)
def test_refuses_distances_of_another_type(dist: Tensor, what: str) -> None:
    with pytest.raises(TypeError, match=f"dist must be a floating-point tensor, got {what}"):
        hl.harmonic_logits(dist, 1)
