"""The Canberra distance: differences relative to the size of each coordinate."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.pairwise import every_pair, in_units_of_largest, power


class Canberra(Distance):
    r"""The sum of relative differences, :math:`d(x, w) = \sum_i |x_i - w_i| / (|x_i| + |w_i|)`.

    - ``standard``: as above, with 0/0 = 0, in [0, D];
    - ``robust``: a denominator below ``min_denom`` counts as ``min_denom``;
    - ``weighted``: the mean instead of the sum, in [0, 1], with weights
      :math:`(|x_i| + |w_i|)^q`, where q is ``weight_power``.

    Coordinates of opposite signs count 1, whatever their sizes. Where one is 0 and the other
    is not there is a kink; the gradient is the mean of its two sides.

    Memory: holds (..., K), and works in tiles of 4 MiB. Source: Miller-Golub et al. 2026.

    Args:
        form: "standard", "robust" or "weighted".
        min_denom: the least denominator of ``robust``, in units of x.
        weight_power: the power q >= 0 of ``weighted``.

    Raises:
        ValueError: an unknown form, or a number out of its range.
    """

    spec = DISTANCES["canberra"]

    def __init__(
        self, form: str = "standard", min_denom: float = 1e-2, weight_power: float = 1.0
    ) -> None:
        super().__init__()
        self.spec = form_of(self.spec, form)
        self.min_denom = check_number("min_denom", min_denom)
        self.weight_power = check_number("weight_power", weight_power, "non-negative")

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return every_pair(getattr(self, self.spec.form), x, w)

    def standard(self, x: Tensor, w: Tensor) -> Tensor:
        return ratio((x - w).abs(), x.abs() + w.abs()).sum(-1)

    def robust(self, x: Tensor, w: Tensor) -> Tensor:
        return ((x - w).abs() / (x.abs() + w.abs()).clamp_min(self.min_denom)).sum(-1)

    def weighted(self, x: Tensor, w: Tensor) -> Tensor:
        size = x.abs() + w.abs()
        weight = power(in_units_of_largest(size)[0], self.weight_power)
        return ratio((weight * ratio((x - w).abs(), size)).sum(-1), weight.sum(-1))


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``, and 0 where both are 0."""
    return part / torch.where(whole == 0, 1.0, whole)
