"""Small pieces of exact arithmetic that several distances share."""

from __future__ import annotations

import torch
from torch import Tensor


def length(v: Tensor, p: float) -> Tensor:
    """The p-norm along the last axis, p = 1 or 2, with all its derivatives 0 where ``v`` is 0."""
    if p == 1:
        return v.abs().sum(-1)
    return power((v * v).sum(-1), 0.5)


def scaled_length(v: Tensor) -> Tensor:
    """The 2-norm along the last axis, in units of the largest entry: no square leaves the range."""
    largest = v.detach().abs().amax(-1)  # cancels: no gradient passes
    return largest * length(v * inverse(largest).unsqueeze(-1), p=2)


def power(v: Tensor, exponent: float, beside_one: bool = False) -> Tensor:
    """``v ** exponent`` for v >= 0 and exponent >= 0, with a gradient of 0 where v is 0.

    For an exponent that is none of 0, 1, 2, 3 a subnormal v counts as the least normal number,
    ``tiny``. With ``beside_one``, for sums that hold a term of 1 or more, v = 0 may give
    ``tiny ** exponent``, 1e-19 at most in float32, instead of 0.
    """
    if exponent in (0, 1, 2, 3):
        return raised(v, exponent)
    result = raised(v.clamp_min(torch.finfo(v.dtype).tiny), exponent)
    return result if beside_one and exponent >= 0.5 else result * v.sign()


def raised(v: Tensor, exponent: float) -> Tensor:
    """``v ** exponent`` for v >= 0; by products and square roots, where that will do."""
    if exponent == 0:
        return torch.ones_like(v)
    if exponent in (1, 2, 3):
        return v if exponent == 1 else v * v if exponent == 2 else v * v * v
    if exponent in (0.5, 1.5):
        return v.sqrt() if exponent == 0.5 else v * v.sqrt()
    return v.pow(exponent)


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole`` for whole >= 0, and 0 where both are 0; differentiable there."""
    return part / (whole + (1 - whole.sign()))


def inverse(v: Tensor) -> Tensor:
    """``1 / v`` for v >= 0, not to be differentiated; a subnormal v counts as the least normal."""
    return v.clamp_min(torch.finfo(v.dtype).tiny).reciprocal()


def share(part: Tensor, whole: Tensor) -> Tensor:
    """:func:`ratio`, or, where no gradient is asked for, :func:`over`."""
    return ratio(part, whole) if torch.is_grad_enabled() else over(part, whole)


def over(part: Tensor, whole: Tensor) -> Tensor:
    """The same number as :func:`ratio`, with half the operations, but not to be differentiated.

    A subnormal ``whole`` counts as the least normal number.
    """
    return part / whole.clamp_min(torch.finfo(whole.dtype).tiny)
