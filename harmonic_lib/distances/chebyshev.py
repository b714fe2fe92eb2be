"""The Chebyshev distance: the largest coordinate difference."""

from __future__ import annotations

from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.pairwise import every_pair


class Chebyshev(Distance):
    r"""The largest coordinate difference, :math:`d(x, w) = \max_i |x_i - w_i|`.

    Its gradient is that of one coordinate, the first of the largest. With ``smooth`` =
    :math:`\alpha` every coordinate has a share, by a log-sum-exp in the place of the maximum:
    :math:`d(x, w) = \tfrac1\alpha \log \tfrac1D \sum_i e^{\alpha |x_i - w_i|}`. The mean in it,
    where others have the sum, makes d(x, x) = 0; it is below the maximum by at most
    :math:`\log(D) / \alpha`.

    Memory: holds (..., K) up to three times, and works in tiles of 4 MiB. Source: Miller-Golub et
    al. 2026; their vision code divides the differences by their deviation and takes no maximum.

    Args:
        smooth: None for the maximum, or alpha > 0 in units of one over a distance.

    Raises:
        ValueError: ``smooth`` is neither.
    """

    spec = DISTANCES["chebyshev"]

    def __init__(self, smooth: float | None = None) -> None:
        super().__init__()
        self.smooth = smooth if smooth is None else check_number("smooth", smooth)
        self.spec = form_of(self.spec, "maximum" if smooth is None else "smooth")

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        if self.smooth is not None:
            return every_pair(self.log_mean_exp, x, w)
        rows = x.reshape(-1, x.shape[-1])
        worst = every_pair(worst_coordinate, rows.detach(), w.detach())
        d = (rows.gather(1, worst) - w.mT.gather(0, worst)).abs()
        return d.reshape(*x.shape[:-1], len(w))

    def log_mean_exp(self, x: Tensor, w: Tensor) -> Tensor:
        """From the largest exponent on, and with 1 taken off: nothing overflows or cancels."""
        assert self.smooth is not None
        exponent = self.smooth * (x - w).abs()
        largest = exponent.detach().amax(-1, keepdim=True)
        return ((exponent - largest).expm1().mean(-1).log1p() + largest.squeeze(-1)) / self.smooth


def worst_coordinate(x: Tensor, w: Tensor) -> Tensor:
    """Where abs(x - w) is largest: the first such index."""
    return (x - w).abs().argmax(-1)
