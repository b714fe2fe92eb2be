"""The Manhattan distance."""

from __future__ import annotations

from torch import Tensor

from harmonic_lib.distances.base import DISTANCES, Distance
from harmonic_lib.distances.pairwise import Norm, every_pair


class Manhattan(Distance):
    r"""The city-block distance, :math:`d(x, w) = \sum_i |x_i - w_i|`.

    The gradient of each term is the sign of its difference, and 0 where it is 0.

    Memory: holds (..., K). Source: Miller-Golub et al. 2026.
    """

    spec = DISTANCES["manhattan"]

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return every_pair(Norm(1), x, w)
