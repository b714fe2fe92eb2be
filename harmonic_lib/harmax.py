"""From distances to logits and probabilities: the one idea of harmonic loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def harmonic_logits(dist: Tensor, exponent: float) -> Tensor:
    r"""Harmonic logits, :math:`z_k = -n \log d_k`.

    Their softmax is HarMax, so ``cross_entropy(harmonic_logits(d, n), y)`` is the
    harmonic loss. The exponent is on the distance, never on its square.

    A distance below :func:`floor` counts as the floor. An input that lies on one
    prototype and on no other then has, for every exponent from 1 upwards, probability 1
    and a loss of 0 to the last digit, and a gradient of 0 there instead of infinity.

    Args:
        dist: distances, of any shape and floating dtype, not negative.
        exponent: the harmonic exponent n > 0.

    Raises:
        TypeError: ``dist`` is not a floating-point tensor.
        ValueError: ``exponent`` is not a positive finite number.

    Source: Baek et al. 2025, section 2, in the log domain.
    """
    if not isinstance(dist, Tensor) or not dist.is_floating_point():
        kind = dist.dtype if isinstance(dist, Tensor) else type(dist).__name__
        raise TypeError(f"dist must be a floating-point tensor, got {kind}")
    check_exponent(exponent)
    dist = dist.to(torch.promote_types(dist.dtype, torch.float32))
    return -exponent * dist.clamp_min(floor(dist.dtype)).log()


def harmax(dist: Tensor, exponent: float) -> Tensor:
    r"""HarMax probabilities over the last axis, :math:`p_k = d_k^{-n} / \sum_j d_j^{-n}`.

    Computed as a softmax of :func:`harmonic_logits`; arguments and errors are the same.

    >>> harmax(torch.tensor([1.0, 2.0]), exponent=1)
    tensor([0.6667, 0.3333])
    """
    return harmonic_logits(dist, exponent).softmax(-1)


def floor(dtype: torch.dtype) -> float:
    """The smallest distance that is told apart from 0: 1e-31 in float32, 1e-292 in float64.

    The smallest normal number over the rounding error: above it n/d, the slope of
    the logit, is finite for every exponent up to 1/eps.
    """
    info = torch.finfo(dtype)
    return info.tiny / info.eps


def check_exponent(exponent: float) -> None:
    """Refuse an exponent that is not a positive finite number."""
    if isinstance(exponent, bool) or not isinstance(exponent, int | float):
        raise ValueError(f"exponent must be a positive number, got {exponent!r}")
    if not (exponent > 0 and math.isfinite(exponent)):
        raise ValueError(f"exponent must be a positive finite number, got {exponent!r}")
