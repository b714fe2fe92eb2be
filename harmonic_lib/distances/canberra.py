"""The Canberra distance: differences relative to the size of each coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.arithmetic import in_units_of_largest, over, power, raised, ratio
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.formula import Formula
from harmonic_lib.distances.pairwise import every_pair


class Canberra(Distance):
    r"""The sum of relative differences, :math:`d(x, w) = \sum_i |x_i - w_i| / (|x_i| + |w_i|)`.

    - ``standard``: as above, with 0/0 = 0, in [0, D];
    - ``robust``: a denominator below ``min_denom`` counts as ``min_denom``;
    - ``weighted``: the mean instead of the sum, in [0, 1], with weights
      :math:`(|x_i| + |w_i|)^q`, where q is ``weight_power``.

    Coordinates of opposite signs count 1, whatever their sizes. Where one is 0 and the other
    is not there is a kink; the gradient is the mean of its two sides.

    Memory: holds (..., K), and works in small tiles. Source: Miller-Golub et al. 2026.

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
        if self.spec.form == "weighted":
            return every_pair(WeightedMean(self.weight_power), x, w)
        return every_pair(SumOfRatios(getattr(self, "min_denom", 0.0)), x, w)


@dataclass(frozen=True)
class SumOfRatios(Formula):
    """The forms ``standard``, where ``min_denom`` is 0, and ``robust``."""

    min_denom: float

    def __call__(self, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        size = x.abs() + w.abs()
        if self.min_denom > 0:
            return (((x - w).abs() / size.clamp_min(self.min_denom)).sum(-1),)
        return (ratio((x - w).abs(), size).sum(-1),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        gap, size = x - w, x.abs() + w.abs()
        whole = size.clamp_min(self.min_denom) if self.min_denom > 0 else size
        part, step = over(gap.abs(), whole), gap.sign()
        if self.min_denom > 0:
            part = torch.where(size < self.min_denom, 0.0, part)  # the denominator is constant
        return over(step - part * x.sign(), whole), over(-step - part * w.sign(), whole)


@dataclass(frozen=True)
class WeightedMean(Formula):
    """The form ``weighted``; with one over the largest size, and over the sum of weights."""

    weight_power: float

    def __call__(self, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        size = x.abs() + w.abs()
        part, largest = in_units_of_largest(size)
        weight = power(part, self.weight_power)
        total = weight.sum(-1)
        mean = ratio((weight * ratio((x - w).abs(), size)).sum(-1), total)
        one = torch.ones_like(mean).detach()
        return mean, over(one, largest.squeeze(-1)), over(one, total.detach())

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        mean, of_largest, of_total = found
        gap, size = x - w, x.abs() + w.abs()
        inverse, step = over(torch.ones_like(size), size), gap.sign()
        part = gap.abs() * inverse
        weight = raised(size * of_largest, self.weight_power) * of_total * inverse
        growth = self.weight_power * (part - mean) - part
        return weight * (step + growth * x.sign()), weight * (growth * w.sign() - step)
