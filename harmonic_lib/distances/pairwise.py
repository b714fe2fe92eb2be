"""Arithmetic over all pairs of rows, of which (N, K, D) is never held at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harmonic_lib.distances import compiled, engine
from harmonic_lib.distances.arithmetic import inverse, length, over
from harmonic_lib.distances.formula import Formula

BUDGET = 2**17
"""The most numbers that a tile of pairs holds: 512 KiB in float32, which a cache keeps."""


def every_pair(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """d of each row of ``x`` with each row of ``w``: (..., D), (K, D) -> (..., K).

    By compiled loops, or in tiles of at most :data:`BUDGET` numbers, which are computed
    again for the gradient and not kept. Differentiable as often as the formula is.
    """
    d, *_ = _Pairs.apply(formula, x.reshape(-1, x.shape[-1]), w)  # type: ignore[no-untyped-call]
    return d.reshape(*x.shape[:-1], len(w))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Norm(Formula):
    r""":math:`\lVert x - w \rVert_p`, p = 1 or 2, by differences."""

    p: int

    @property
    def needs_from(self) -> int:  # type: ignore[override]
        return self.p % 2

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        return (length(x - w, self.p),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        slope = (x - w).sign() if self.p == 1 else over(x - w, found[0])
        return slope, -slope


@dataclass(frozen=True)
class Largest(Formula):
    """The largest coordinate difference."""

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        return ((x - w).abs().amax(-1),)


@dataclass(frozen=True)
class ScaledNorm(Formula):
    r""":math:`\lVert x - w \rVert_2` in units of the largest difference, so that no square leaves
    the range; it cancels, and no gradient passes through it."""

    first = Largest()

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        (largest,) = known
        return (largest * length((x - w) * inverse(largest).unsqueeze(-1), 2),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        slope = over(x - w, found[0])
        return slope, -slope


def measure(formula: Formula, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """``formula`` of all pairs, in eager tiles: (N, D), (K, D) -> some of (N, K)."""
    if engine.exporting():  # no loop over the rows, and what ONNX has no name for
        parts = w.split(max(1, BUDGET // w.shape[-1]))
        tiles = [formula.whole(x.unsqueeze(-2), part) for part in parts]
        return tuple(torch.cat(found, -1) for found in zip(*tiles, strict=True))
    if isinstance(formula, Norm):
        return (torch.cdist(x, w, formula.p, compute_mode="donot_use_mm_for_euclid_dist"),)
    rows, classes = _tiles(x, w)
    found = []
    for x_rows in x.unsqueeze(-2).split(rows):
        tiles = [formula.whole(x_rows, w_tile) for w_tile in w.split(classes)]
        found.append([torch.cat(parts, -1) for parts in zip(*tiles, strict=True)])
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def pull_back(
    formula: Formula, needed: tuple[bool, bool], x: Tensor, w: Tensor, g: Tensor, *found: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of ``(g * d).sum()`` in x and w, in eager tiles, where they are needed.

    ``found`` is what the slopes need; g and it are (N, K).
    """
    if isinstance(formula, Norm) and x.device.type == "cpu":  # a GPU's kernel holds (N, K, D)
        cdist_backward, p = torch.ops.aten._cdist_backward, formula.p
        pairs = [v.contiguous() for v in (g, *(found or [g]))]  # p = 1 has no use for the other
        turned = [v.mT.contiguous() for v in pairs] if needed[1] else []
        return (
            cdist_backward(pairs[0], x, w, p, pairs[1]) if needed[0] else None,
            cdist_backward(turned[0], w, x, p, turned[1]) if needed[1] else None,
        )
    rows, classes = _tiles(x, w)
    grad_x, grad_w = [], [torch.zeros_like(part) for part in w.split(classes)]
    for x_rows, *pairs in zip(*(v.split(rows) for v in (x, g, *found)), strict=True):
        grad = torch.zeros_like(x_rows)
        tiles = zip(w.split(classes), *(v.split(classes, -1) for v in pairs), strict=True)
        for k, (w_tile, g_tile, *found_tile) in enumerate(tiles):
            in_x, in_w = formula.slopes(
                x_rows.unsqueeze(-2), w_tile, *(v.unsqueeze(-1) for v in found_tile)
            )
            if needed[0]:
                grad = grad + (g_tile.unsqueeze(-2) @ in_x).squeeze(-2)
            if needed[1]:
                grad_w[k] = grad_w[k] + (g_tile.unsqueeze(-1) * in_w).sum(0)
        grad_x.append(grad)
    return torch.cat(grad_x) if needed[0] else None, torch.cat(grad_w) if needed[1] else None


class _Pairs(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(formula: Formula, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = engine.run(compiled.measure, measure, x, w)(formula, x, w)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.formula, *pair = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*pair, *output[ctx.formula.needs_from :])

    @staticmethod
    def backward(ctx: Any, g: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, w, *found = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of the gradient may follow
            return None, *_differentiable_pull_back(ctx.formula, x, w, g)
        gradients = engine.run(compiled.pull_back, pull_back, x, w)
        return None, *gradients(ctx.formula, ctx.needs_input_grad[1:], x, w, g, *found)


def _tiles(x: Tensor, w: Tensor) -> tuple[int, int]:
    """How many rows of ``x`` and of ``w`` make a tile within the budget.

    About as many of both: what is kept of a tile then lies in few holes between tiles that are
    gone. With thin tiles these holes came to 0.5 GB.
    """
    pairs = max(1, BUDGET // w.shape[-1])
    classes = max(1, min(len(w), math.isqrt(pairs)))
    return max(1, pairs // classes), classes


def _differentiable_pull_back(
    formula: Formula, x: Tensor, w: Tensor, g: Tensor
) -> tuple[Tensor, Tensor]:
    """Both gradients of ``(g * d).sum()``, tile by tile, in a form that has derivatives."""
    rows, classes = _tiles(x, w)

    def of_tile(x_tile: Tensor, w_tile: Tensor) -> Tensor:
        return formula.whole(x_tile.unsqueeze(-2), w_tile)[0]

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
