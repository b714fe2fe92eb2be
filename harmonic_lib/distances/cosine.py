"""The cosine distance: angles only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from harmonic_lib.distances.arithmetic import length
from harmonic_lib.distances.base import DISTANCES
from harmonic_lib.distances.euclidean import Euclidean
from harmonic_lib.distances.products import euclidean


class Cosine(Euclidean):
    r"""One minus the cosine of the angle, :math:`d(x, w) = 1 - \cos(x, w)`, in [0, 2].

    Computed as :math:`\tfrac12 \lVert \hat x - \hat w \rVert^2` with the unit vectors
    :math:`\hat x = x / \lVert x \rVert`: the same number, without the cancellation of
    1 − cos for nearly parallel vectors. What is left is the rounding of the unit vectors: in
    float32 a relative error of 1e-4 at d = 5e-9, and of 1e-2 at 5e-13. By differences or by
    a matrix product, as in :class:`~harmonic_lib.distances.euclidean.Euclidean`.
    A zero vector has no direction; its distance to everything is 1, that of a right angle,
    and its gradient is 0.

    Memory: holds a few (..., K) in float64, and (..., 4, D). Source: Miller-Golub et al. 2026.
    """

    spec = DISTANCES["cosine"]

    degree = 2

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return euclidean(*directions(x, w, p=2)).square() / 2

    def coordinates(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        of_x, of_w = (torch.linalg.vector_norm(v.detach(), dim=-1, keepdim=True) for v in (x, w))
        least, most = torch.cat([of_x.flatten(), of_w.flatten()]).aminmax()
        if least > 1e-15 and most < 1e15:  # no vector of zeros, no square out of range
            return _Unit.apply(x, of_x), _Unit.apply(w, of_w)  # type: ignore[no-untyped-call]
        return directions(x, w, p=2)


class _Unit(torch.autograd.Function):
    """Vectors over their lengths, (N, D) and (N, 1); in a third of autograd's memory."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, lengths: Tensor) -> Tensor:
        unit = v / lengths
        ctx.save_for_backward(unit, lengths)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        unit, lengths = ctx.saved_tensors
        along = torch.linalg.vecdot(g, unit).unsqueeze(-1)
        return torch.addcmul(g, unit, along, value=-1).div_(lengths), None


def directions(x: Tensor, w: Tensor, p: int) -> tuple[Tensor, Tensor]:
    """Both with a p-norm of 1 along the last axis: (..., D), (K, D) -> (..., D + 2), (K, D + 2).

    A zero vector has a direction of its own, at a right angle to all others, also to that of
    a zero vector on the other side: that is what the last two coordinates are for.
    """
    return _direction(x, p, (1.0, 0.0)), _direction(w, p, (0.0, 1.0))


def _direction(v: Tensor, p: int, of_zero: tuple[float, float]) -> Tensor:
    largest = v.detach().abs().amax(-1, keepdim=True)  # cancels: no gradient passes
    zero = largest == 0
    v = v / torch.where(zero, 1.0, largest)
    inverse = torch.where(zero, 0.0, 1 / torch.where(zero, 1.0, length(v, p).unsqueeze(-1)))
    return torch.cat([v * inverse, torch.where(zero, v.new_tensor(of_zero), 0.0)], -1)
