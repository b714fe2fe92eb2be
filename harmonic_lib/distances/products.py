"""Distances by a matrix product, and where it loses their digits, again by differences."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.distances import engine
from harmonic_lib.distances.arithmetic import length, scaled_length
from harmonic_lib.distances.engine import FEW, transformed
from harmonic_lib.distances.pairwise import Norm, ScaledNorm, every_pair

Exact = Callable[[Tensor, Tensor], Tensor]

Linear = Callable[..., tuple[Tensor, ...]]
"""A linear map, of each of some tensors of vectors."""

NEAREST = 4
"""So many of an input's nearest prototypes have their distance refined."""


def euclidean(x: Tensor, w: Tensor, linear: Linear | None = None) -> Tensor:
    r""":math:`\lVert A(x - w) \rVert_2`, A ``linear`` or nothing: (..., D), (K, D) -> (..., K).

    For float64 input, or with at most :data:`FEW` prototypes, from the differences of Ax and Aw.
    Else one matrix product gives :math:`\lVert Ax \rVert^2 + \lVert Aw \rVert^2 - 2 Ax \cdot Aw`,
    because its rounding error is a few :math:`\epsilon` of the squared lengths and not of the
    result. The nearest prototypes are then :func:`refined` by A(x - w).

    Where a square leaves the range of its dtype, that pair alone is computed :func:`again`. A unit
    common to all vectors would do as well, but for one that is huge, which would cost all others
    their digits.
    """
    by_differences = len(w) <= FEW or w.dtype == torch.float64
    # Apple's GPUs have no float64: there the error and the range are those of float32.
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    widest = w.dtype == wide
    ax, aw = x.to(wide), w.to(wide)
    if by_differences and linear is None:
        if widest:
            return every_pair(ScaledNorm(), x, w)
        return again(every_pair(Norm(2), x, w), lambda: every_pair(Norm(2), ax, aw).to(x.dtype))
    if linear is not None:
        ax, aw = linear(ax, aw)
    eps, tiny = torch.finfo(wide).eps, torch.finfo(wide).tiny
    if by_differences:
        d = every_pair(ScaledNorm() if widest else Norm(2), ax, aw)
        of_x, of_w = (
            scaled_length(v.detach()) if widest else length(v.detach(), 2) for v in (ax, aw)
        )
        resolution = 8 * eps * (of_x.unsqueeze(-1) + of_w)
    else:
        squares = ax.square().sum(-1, keepdim=True) + aw.square().sum(-1)
        d = (squares - 2 * (ax @ aw.mT)).clamp_min(tiny).sqrt()
        resolution = (8 * eps * squares.detach()).clamp_min(tiny).sqrt()

    def exact(x: Tensor, w: Tensor) -> Tensor:
        gap = x - w if linear is None else linear(x - w)[0]
        return again(length(gap, 2), lambda: scaled_length(gap))

    return refined(d, resolution, exact, x, w)


def again(d: Tensor, other: Callable[[], Tensor]) -> Tensor:
    """Distances ``d``, and ``other()`` where their squares may have left the range of the dtype.

    Where shapes and numbers may not decide what is done, both are computed.
    """
    least = torch.finfo(d.dtype).tiny ** 0.4
    inside = (d > least) & (d < 1 / least)
    abstract = torch.compiler.is_compiling() or engine.exporting() or transformed(d)
    if not abstract and d.device.type == "cpu" and bool(inside.all()):
        return d
    return torch.where(inside, d, other())


def refined(
    d: Tensor,
    resolution: Tensor | float,
    exact: Exact,
    x: Tensor,
    w: Tensor,
) -> Tensor:
    """Distances ``d`` (..., K), with those of the :data:`NEAREST` prototypes by ``exact``.

    A distance that is below the ``resolution`` of ``d``, and yet not among the nearest,
    counts as the farthest of these: equal prototypes stay equal, however many they are.
    """
    nearest = d.detach().topk(min(NEAREST, len(w)), largest=False).indices
    near = exact(x.unsqueeze(-2), F.embedding(nearest, w))
    farthest = near.detach().amax(-1, keepdim=True)
    return torch.where(d <= resolution, farthest, d.to(near.dtype)).scatter(-1, nearest, near)


def refined_below(
    d: Tensor, least: float, resolution: float, exact: Exact, x: Tensor, w: Tensor
) -> Tensor:
    """Distances ``d``, with those below ``least`` by ``exact``: as many as there are.

    Where shapes may not depend on numbers, and where there are more than :data:`NEAREST` for
    an input, it is :func:`refined` for the nearest.
    """
    if torch.compiler.is_compiling() or transformed(d) or d.device.type != "cpu":
        return refined(d, resolution, exact, x, w)
    rows, flat = x.reshape(-1, x.shape[-1]), d.reshape(-1, len(w))
    i, k = (flat < least).nonzero(as_tuple=True)
    if len(k) > NEAREST * len(rows):
        return refined(d, resolution, exact, x, w)
    if len(k) == 0:
        return d
    # Not x[i]: the gradient of that adds up element by element.
    near = exact(rows.index_select(0, i), w.index_select(0, k))
    return flat.index_put((i, k), near).view_as(d)
