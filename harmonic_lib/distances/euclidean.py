"""The Euclidean distance."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.distances.base import DISTANCES, Distance
from harmonic_lib.distances.products import euclidean

Two = tuple[Tensor, Tensor]
"""Of x and of w: vectors, coordinates, or the indices of rows."""


class Euclidean(Distance):
    r"""The straight-line distance, :math:`d(x, w) = \sqrt{\sum_i (x_i - w_i)^2}`.

    With up to 16 prototypes, and in float64, from the differences: a small distance
    between long vectors keeps its digits. With more, by one matrix product in float64,
    :math:`d^2 = \lVert x \rVert^2 + \lVert w \rVert^2 - 2 x \cdot w`, with an error in
    :math:`d^2` of a few 1e-16 of :math:`\lVert x \rVert^2 + \lVert w \rVert^2`, and the four
    nearest prototypes of each input again from their differences. The relative error of the
    others is 1e-3 at d = 1e-6 times these lengths; where more than four are closer than 5e-8
    times, rounding decides which four are exact, and the others count as the farthest of
    them, without a gradient. (Apple's GPUs have no float64: there, 1e-16 is 1e-7, 1e-6 is
    0.02 and 5e-8 is 1e-3.)

    At x = w the gradient is taken to be 0. In float32, a distance below 1e-19 of the
    largest entry of all of ``x`` and ``w`` loses its digits.

    Memory: holds a few (..., K) in float64, and (..., 4, D). Source: Baek et al. 2025, section 2
    (the harmonic logit); their released code uses the square of it.
    """

    spec = DISTANCES["euclidean"]

    degree = 1
    """d is the distance of the :meth:`coordinates`, or, at degree 2, half its square."""

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return euclidean(x, w)

    def coordinates(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Where this distance is Euclid's: (..., D), (K, D) -> (..., C), (K, C)."""
        return x, w

    def metric(self, dtype: torch.dtype) -> Tensor | None:
        """P, (C, C), of a squared length gap P gap in the coordinates; None for the identity."""
        return None

    def gap(self, vectors: Two, coordinates: Two, pairs: Two) -> Tensor:
        """The coordinates of rows i of x less those of rows k of w, with all digits: (P, C)."""
        u, v = coordinates
        return u[pairs[0]] - v[pairs[1]]

    def squared(self, gaps: Tensor) -> Tensor:
        """The squared lengths of gaps in the coordinates, (P, C) -> (P)."""
        return gaps.square().sum(-1)
