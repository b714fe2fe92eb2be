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
        min_denom: the least denominator of ``robust``, in units of x; None for 0.01.
        weight_power: the power q >= 0 of ``weighted``; None for 0.5. With 1 it is the
            Bray-Curtis distance ``abs``.

    Raises:
        ValueError: an unknown form, a number out of its range, or one of another form.
    """

    spec = DISTANCES["canberra"]

    def __init__(
        self,
        form: str = "standard",
        min_denom: float | None = None,
        weight_power: float | None = None,
    ) -> None:
        super().__init__()
        self.spec = form_of(self.spec, form)
        if form == "robust":
            self.min_denom = check_number("min_denom", 1e-2 if min_denom is None else min_denom)
        elif min_denom is not None:
            raise ValueError(f"min_denom is for the form 'robust', got it for {form!r}")
        if form == "weighted":
            q = 0.5 if weight_power is None else weight_power
            self.weight_power = check_number("weight_power", q, "non-negative")
        elif weight_power is not None:
            raise ValueError(f"weight_power is for the form 'weighted', got it for {form!r}")

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
