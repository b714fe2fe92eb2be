"""The Euclidean distance."""

from __future__ import annotations

from torch import Tensor

from harmonic_lib.distances.base import DISTANCES, Distance
from harmonic_lib.distances.pairwise import euclidean


class Euclidean(Distance):
    r"""The straight-line distance, :math:`d(x, w) = \sqrt{\sum_i (x_i - w_i)^2}`.

    With up to 16 prototypes, and in float64, from the differences: a small distance
    between long vectors keeps its digits. With more, in float32, by one matrix product,
    :math:`d^2 = \lVert x \rVert^2 + \lVert w \rVert^2 - 2 x \cdot w`, with an error in
    :math:`d^2` of a few 1e-7 of :math:`\lVert x \rVert^2 + \lVert w \rVert^2`; then the four
    nearest prototypes of each input again from their differences. Where more than four are
    closer than about a thousandth of its length (measured from the mean prototype), rounding
    decides which four are exact; the others count as far as the farthest of them, and have
    no gradient. Where TF32 is switched on, on a GPU, a few 1e-7 are a few 1e-4.

    At x = w the gradient is taken to be 0. In float32, a distance below 1e-19 of the
    largest entry of all of ``x`` and ``w`` loses its digits.

    Memory: holds (..., K) up to three times, and (..., 4, D). Source: Baek et al. 2025, section 2
    (the harmonic logit); their released code uses the square of it.
    """

    spec = DISTANCES["euclidean"]

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return euclidean(x, w)
