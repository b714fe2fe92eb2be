"""The cosine distance: angles only."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.distances.base import Distance, DistanceSpec, register
from harmonic_lib.distances.minkowski import cdist


@register(
    DistanceSpec(
        name="cosine",
        formula=r"1 - \frac{\sum_i x_i w_i}{\lVert x \rVert \lVert w \rVert}",
        metric=False,
        homogeneity=0,
        domain="non-zero real vectors",
        scipy="cosine",
        cost="3D flops, after one normalisation of x and of w",
        intuition="how far two directions point apart, whatever the lengths",
    )
)
class Cosine(Distance):
    r"""One minus the cosine of the angle, :math:`d(x, w) = 1 - \cos(x, w)`, in [0, 2].

    Computed as :math:`\tfrac12 \lVert \hat x - \hat w \rVert^2` with the unit vectors
    :math:`\hat x = x / \lVert x \rVert`: the same number, without the cancellation of
    1 − cos for nearly parallel vectors. A zero vector has no direction; its distance
    to everything is 1, that of a right angle, and its gradient is 0.

    Memory: holds (..., K). Source: Miller-Golub et al. 2026, section 3.
    """

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        x_hat, x_zero = direction(x)
        w_hat, w_zero = direction(w)
        d = cdist(x_hat, w_hat, p=2).square() / 2
        return torch.where(x_zero | w_zero.squeeze(-1), 1.0, d)


def direction(v: Tensor) -> tuple[Tensor, Tensor]:
    """``v`` at unit length along its last axis, and which vectors are zero: (..., D), (..., 1).

    The largest entry is made 1 first, so no square over- or underflows; it cancels,
    so no gradient passes through it.
    """
    largest = v.detach().abs().amax(-1, keepdim=True)
    zero = largest == 0
    v = v / torch.where(zero, 1.0, largest)
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / torch.where(zero, 1.0, length), zero
