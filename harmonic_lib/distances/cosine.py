"""The cosine distance: angles only."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.distances.base import DISTANCES, Distance
from harmonic_lib.distances.pairwise import euclidean, in_units_of_largest, length


class Cosine(Distance):
    r"""One minus the cosine of the angle, :math:`d(x, w) = 1 - \cos(x, w)`, in [0, 2].

    Computed as :math:`\tfrac12 \lVert \hat x - \hat w \rVert^2` with the unit vectors
    :math:`\hat x = x / \lVert x \rVert`: the same number, without the cancellation of
    1 − cos for nearly parallel vectors. What is left is the rounding of the unit vectors: in
    float32 a relative error of 1e-4 at d = 5e-9, and of 1e-2 at 5e-13. By differences or by
    a matrix product, as in :class:`Euclidean`.
    A zero vector has no direction; its distance to everything is 1, that of a right angle,
    and its gradient is 0.

    Memory: holds a few (..., K) in float64, and (..., 4, D). Source: Miller-Golub et al. 2026.
    """

    spec = DISTANCES["cosine"]

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        x_hat, x_zero = direction(x)
        w_hat, w_zero = direction(w)
        d = euclidean(x_hat, w_hat).square() / 2
        return torch.where(x_zero | w_zero.squeeze(-1), 1.0, d)


def direction(v: Tensor, p: float = 2) -> tuple[Tensor, Tensor]:
    """``v`` with a p-norm of 1 along its last axis (..., D), and which vectors are 0 (..., 1)."""
    v, largest = in_units_of_largest(v)
    return v / torch.where(largest == 0, 1.0, length(v, p).unsqueeze(-1)), largest == 0
