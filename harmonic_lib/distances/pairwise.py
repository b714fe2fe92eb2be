"""Arithmetic over all pairs of rows: exact where it matters, and never (N, K, D) at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

Formula = Callable[[Tensor, Tensor], Tensor]
"""d(x, w) of vectors that broadcast against each other: ``(..., D), (..., D) -> (...)``."""

BUDGET = 2**20
"""The most numbers that a tile of pairs holds: 4 MiB in float32, which a cache can keep."""

FEW = 16
"""Up to so many prototypes, differences cost no more than a matrix product with refinement."""

NEAREST = 4
"""So many of an input's nearest prototypes have their distance refined."""


def every_pair(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """``formula`` of each row of ``x`` with each row of ``w``: (..., D), (K, D) -> (..., K).

    Works in tiles of at most :data:`BUDGET` numbers, and computes them again for the
    gradient instead of keeping them. Differentiable as often as the formula is.
    """
    pairs = _Tiles.apply(formula, x.reshape(-1, x.shape[-1]), w)  # type: ignore[no-untyped-call]
    return cast(Tensor, pairs).reshape(*x.shape[:-1], len(w))


def norm(x: Tensor, w: Tensor, p: float) -> Tensor:
    r""":math:`\lVert x - w \rVert_p` by differences, p = 1 or 2: (..., D), (K, D) -> (..., K).

    The kernel of ``torch.cdist``, which holds (..., K) alone, and a second derivative.
    """
    pairs = _Norm.apply(x.reshape(-1, x.shape[-1]), w, p)  # type: ignore[no-untyped-call]
    return cast(Tensor, pairs).reshape(*x.shape[:-1], len(w))


def euclidean(x: Tensor, w: Tensor, linear: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    r""":math:`\lVert A(x - w) \rVert_2`, A ``linear`` or nothing: (..., D), (K, D) -> (..., K).

    In float64, or with at most :data:`FEW` prototypes, from the differences of Ax and Aw.
    Else one matrix product gives :math:`\lVert Ax \rVert^2 + \lVert Aw \rVert^2 - 2 Ax \cdot Aw`,
    in float64, because its rounding error is a few :math:`\epsilon` of the squared lengths and
    not of the result. The nearest prototypes are then :func:`refined` by A(x - w).
    """
    unit = unit_of(x, w)
    x, w = x / unit, w / unit
    by_differences = len(w) <= FEW or w.dtype == torch.float64
    if by_differences and linear is None:
        return unit * norm(x, w, p=2)
    # Apple's GPUs have no float64: there the error is that of float32.
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    ax, aw = x.to(wide), w.to(wide)
    if linear is not None:
        ax, aw = linear(ax), linear(aw)
    squares = ax.square().sum(-1, keepdim=True) + aw.square().sum(-1)
    eps, tiny = torch.finfo(wide).eps, torch.finfo(wide).tiny
    if by_differences:
        d, resolution = norm(ax, aw, p=2), 8 * eps * squares.detach().sqrt()
    else:
        d = (squares - 2 * (ax @ aw.mT)).clamp_min(tiny).sqrt()
        resolution = (8 * eps * squares.detach()).clamp_min(tiny).sqrt()

    def exact(x: Tensor, w: Tensor) -> Tensor:
        return length(x - w if linear is None else linear(x - w), p=2)

    return unit * refined(d, resolution, exact, x, w)


def refined(d: Tensor, resolution: Tensor | float, exact: Formula, x: Tensor, w: Tensor) -> Tensor:
    """Distances ``d`` (..., K), with those of the :data:`NEAREST` prototypes by ``exact``.

    A distance that is below the ``resolution`` of ``d``, and yet not among the nearest,
    counts as the farthest of these: equal prototypes stay equal, however many they are.
    """
    nearest = d.detach().topk(min(NEAREST, len(w)), largest=False).indices
    near = exact(x.unsqueeze(-2), F.embedding(nearest, w))
    farthest = near.detach().amax(-1, keepdim=True)
    return torch.where(d <= resolution, farthest, d.to(near.dtype)).scatter(-1, nearest, near)


def length(v: Tensor, p: float) -> Tensor:
    """The p-norm along the last axis, p = 1 or 2, with all its derivatives 0 where ``v`` is 0."""
    if p == 1:
        return v.abs().sum(-1)
    return power(v.square().sum(-1), 0.5)


def unit_of(x: Tensor, w: Tensor) -> Tensor:
    """A power of two near the largest entry of ``x`` and ``w``: dividing by it is exact.

    It keeps squares from over- and underflowing, and cancels from the result, so no
    gradient passes through it.
    """
    largest = w.detach().abs().amax()
    if x.numel() > 0:
        largest = torch.maximum(largest, x.detach().abs().amax())
    unit = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 1)
    return torch.where(largest > 0, unit, 1.0)


def in_units_of_largest(v: Tensor) -> tuple[Tensor, Tensor]:
    """``v`` over its largest absolute entry in the last axis, and that entry: (..., D), (..., 1).

    A vector of zeros stays one. The entry carries no gradient: it is for where it cancels.
    """
    largest = v.detach().abs().amax(-1, keepdim=True)
    return v / torch.where(largest == 0, 1.0, largest), largest


def power(v: Tensor, exponent: float) -> Tensor:
    """``v ** exponent`` for v >= 0 and exponent >= 0, with a gradient of 0 where v is 0."""
    zero = v == 0
    return torch.where(zero, 0.0**exponent, torch.where(zero, 1.0, v).pow(exponent))


def _tiles(x: Tensor, w: Tensor) -> tuple[int, int]:
    """How many rows of ``x`` and of ``w`` make a tile within the budget."""
    classes = max(1, min(len(w), BUDGET // w.shape[-1]))
    return max(1, BUDGET // (classes * w.shape[-1])), classes


def _pull_back(formula: Formula, x: Tensor, w: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of ``(g * every_pair(formula, x, w)).sum()`` in x and w, tile by tile."""
    rows, classes = _tiles(x, w)

    def of_tile(x_tile: Tensor, w_tile: Tensor) -> Tensor:
        return formula(x_tile.unsqueeze(-2), w_tile)

    grad_x, grad_w = [], [torch.zeros_like(part) for part in w.split(classes)]
    for x_tile, g_rows in zip(x.split(rows), g.split(rows), strict=True):
        grad_tile = torch.zeros_like(x_tile)
        for k, (w_tile, g_tile) in enumerate(
            zip(w.split(classes), g_rows.split(classes, -1), strict=True)
        ):
            from_x, from_w = torch.func.vjp(of_tile, x_tile, w_tile)[1](g_tile)
            grad_tile, grad_w[k] = grad_tile + from_x, grad_w[k] + from_w
        grad_x.append(grad_tile)
    return torch.cat(grad_x), torch.cat(grad_w)


class _Tiles(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
        rows, classes = _tiles(x, w)
        return torch.cat(
            [
                torch.cat([formula(x_tile, w_tile) for w_tile in w.split(classes)], -1)
                for x_tile in x.unsqueeze(-2).split(rows)
            ]
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.formula, *pair = inputs
        ctx.save_for_backward(*pair)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[None, Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return None, *_pull_back(ctx.formula, x, w, g)


class _Norm(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor, p: float) -> Tensor:
        d: Tensor = torch.cdist(x, w, p, compute_mode="donot_use_mm_for_euclid_dist")
        return d

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, w, ctx.p = inputs
        ctx.save_for_backward(x, w, output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, w, d = ctx.saved_tensors
        # Where a derivative of the gradient may follow, and on a GPU, whose kernel for the
        # gradient holds (N, K, D), by the formula.
        if torch.is_grad_enabled() or x.device.type != "cpu":

            def formula(x: Tensor, w: Tensor) -> Tensor:
                return length(x - w, ctx.p)

            return *_pull_back(formula, x, w, g), None
        grad_x = grad_w = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.ops.aten._cdist_backward(g.contiguous(), x, w, ctx.p, d)
        if ctx.needs_input_grad[1]:
            g, d = g.mT.contiguous(), d.mT.contiguous()
            grad_w = torch.ops.aten._cdist_backward(g, w, x, ctx.p, d)
        return grad_x, grad_w, None
