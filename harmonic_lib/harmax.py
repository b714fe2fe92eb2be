"""From distances to logits and probabilities: the one idea of harmonic loss, and its kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature

import torch
from torch import Tensor

from harmonic_lib.checks import check_name, check_number, check_options


def harmonic_logits(dist: Tensor, exponent: float) -> Tensor:
    r"""Harmonic logits, :math:`z_k = -n \log d_k`.

    Their softmax is HarMax, so ``cross_entropy(harmonic_logits(d, n), y)`` is the
    harmonic loss. The exponent is on the distance, never on its square.

    A distance below the floor of its dtype (1e-31 in float32, 1e-292 in float64) counts as the
    floor. An input that lies on one prototype and on no other then has, for every exponent from 1
    upwards, probability 1
    and a loss of 0 to the last digit, and a gradient of 0 there instead of infinity.

    Args:
        dist: distances, of any shape and floating dtype, not negative.
        exponent: the harmonic exponent n > 0.

    Raises:
        TypeError: ``dist`` is not a floating-point tensor.
        ValueError: ``exponent`` is not a positive finite number.

    Source: Baek et al. 2025, section 2, in the log domain.
    """
    check_number("exponent", exponent)
    dist = as_float(dist)
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


def as_float(dist: Tensor) -> Tensor:
    """``dist`` in single precision at least; refuses what is not a floating-point tensor."""
    if not isinstance(dist, Tensor) or not dist.is_floating_point():
        kind = dist.dtype if isinstance(dist, Tensor) else type(dist).__name__
        raise TypeError(f"dist must be a floating-point tensor, got {kind}")
    return dist.to(torch.promote_types(dist.dtype, torch.float32))


def isomax_logits(dist: Tensor, tau: float = 10.0) -> Tensor:
    r""":math:`-\tau d`: exponential in the distance. IsoMax, Macêdo et al. 2021."""
    return -tau * as_float(dist)


def gaussian_logits(dist: Tensor, sigma: float = 1.0) -> Tensor:
    r""":math:`-d^2 / 2 \sigma^2`: equal spheres. Prototypical networks, Snell et al. 2017.

    In float32 it is -inf where d is beyond 1e19 times sigma.
    """
    return -(as_float(dist) / sigma).square() / 2


def student_t_logits(dist: Tensor, exponent: float, scale: float = 1.0) -> Tensor:
    r""":math:`-\tfrac n2 \log(1 + d^2 / s^2)`: flat within s of a prototype, harmonic far from it.

    As s falls to 0 its softmax becomes HarMax. t-SNE, van der Maaten and Hinton 2008.
    """
    dist = as_float(dist)
    s = torch.full_like(dist, scale)
    small, large = dist.minimum(s), dist.maximum(s)
    return -exponent * (large.log() - s.log() + (small / large).square().log1p() / 2)


def cosine_softmax_logits(dist: Tensor, tau: float = 10.0) -> Tensor:
    r""":math:`\tau \cos(x, w) = \tau (1 - d)`, of a cosine distance. NormFace, Wang et al. 2017."""
    return tau * (1 - as_float(dist))


LINKS: dict[str, Callable[..., Tensor]] = {
    "harmonic": harmonic_logits,
    "isomax": isomax_logits,
    "gaussian": gaussian_logits,
    "student_t": student_t_logits,
    "cosine_softmax": cosine_softmax_logits,
}


@dataclass(frozen=True)
class Link:
    """A map from distances to logits, element by element; :func:`link` builds one."""

    name: str
    options: Mapping[str, float]

    def __str__(self) -> str:
        return (
            f"{self.name}({', '.join(f'{key}={value:g}' for key, value in self.options.items())})"
        )

    def __call__(self, dist: Tensor) -> Tensor:
        return LINKS[self.name](dist, **self.options)


def link(name: str, **options: float) -> Link:
    """A published map from distances to logits, by name: the ablation ladder of the head.

    >>> link("isomax", tau=2.0)(torch.tensor([1.0, 3.0]))
    tensor([-2., -6.])

    Args:
        name: "harmonic" (``exponent``), "isomax" (``tau``), "gaussian" (``sigma``),
            "student_t" (``exponent``, ``scale``) or "cosine_softmax" (``tau``).
        options: the numbers in brackets, positive; tau is 10, sigma and scale are 1 by default.

    Raises:
        ValueError: no link has that name, or a number is not positive and finite.
        TypeError: the link has no such option, or one is missing.
    """
    check_name("link", name, LINKS)
    build = partial(LINKS[name], torch.empty(0))
    check_options(name, build, options)
    every = {key: options.get(key, p.default) for key, p in signature(build).parameters.items()}
    return Link(name, {option: check_number(option, value) for option, value in every.items()})
