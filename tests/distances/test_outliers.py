"""One vector out of all proportion changes nothing about the others of its batch."""

from __future__ import annotations

import math

import pytest
import torch
from forms import FORMS, build, name_of
from torch import Tensor

import harmonic_lib as hl

FILL = 9.97e36
"""What netCDF writes where a number is missing."""


def head_of(form: hl.DistanceSpec, k: int, dtype: torch.dtype = torch.float32) -> hl.HarmonicHead:
    return hl.HarmonicHead(24, k, build(form, 24), exponent=5.0).to(dtype).eval()


def batch(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.randn(6, 24).to(dtype), torch.tensor([0, 1, 2, 3, 4, 5])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("k", [10, 40])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
@pytest.mark.parametrize("value", [FILL, 1e20, -1e20, math.inf, math.nan])
def test_a_row_has_no_influence_on_others(
    form: hl.DistanceSpec, k: int, dtype: torch.dtype, value: float
) -> None:
    head, (x, y) = head_of(form, k, dtype), batch(dtype)
    spoilt = x.clone()
    spoilt[2] = value
    others = [0, 1, 3, 4, 5]
    with torch.no_grad():
        close(head(spoilt)[others], head(x)[others])
        losses = head.loss(x, y, reduction="none")
        close(head.loss(spoilt, y, reduction="none")[others], losses[others])


@pytest.mark.parametrize("k", [10, 40])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
@pytest.mark.parametrize("value", [FILL, 1e20])
def test_nor_on_their_gradients(form: hl.DistanceSpec, k: int, value: float) -> None:
    head, (x, y) = head_of(form, k), batch(torch.float32)
    alone, spoilt = x[[0, 1, 3, 4, 5]].requires_grad_(), x.clone()
    spoilt[2] = value
    spoilt.requires_grad_()
    head.loss(alone, y[[0, 1, 3, 4, 5]], reduction="sum").backward()
    head.loss(spoilt, y, reduction="sum").backward()
    assert alone.grad is not None
    assert spoilt.grad is not None
    close(spoilt.grad[[0, 1, 3, 4, 5]], alone.grad)
    if head(spoilt).isfinite().all():  # for p < 1 the distance itself is beyond float32
        assert spoilt.grad.isfinite().all()


@pytest.mark.parametrize("k", [10, 40])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
@pytest.mark.parametrize("value", [FILL, 1e20, 1e7])
def test_a_prototype_has_no_influence_on_other_classes(
    form: hl.DistanceSpec, k: int, value: float
) -> None:
    head, (x, y) = head_of(form, k), batch(torch.float32)
    others = [c for c in range(k) if c != 7]
    with torch.no_grad():
        before = head(x)[:, others]
        head.weight[7] = value
        after = head(x)
        close(after[:, others], before)
        expected = torch.nn.functional.cross_entropy(after, y, reduction="none")
        close(head.loss(x, y, reduction="none"), expected)
