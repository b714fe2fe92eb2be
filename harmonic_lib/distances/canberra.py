"""The Canberra distance: differences relative to the size of each coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.arithmetic import inverse, over, power, raised, ratio, share
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.formula import Formula
from harmonic_lib.distances.pairwise import every_pair


class Canberra(Distance):
    r"""The sum of relative differences, :math:`d(x, w) = \sum_i |x_i - w_i| / (|x_i| + |w_i|)`.

    - ``standard``: as above, with 0/0 = 0, in [0, D];
    - ``robust``: a denominator below ``min_denom`` counts as ``min_denom``;
    - ``weighted``: the mean instead of the sum, in [0, 1], with weights
      :math:`(|x_i| + |w_i|)^q`, where q is ``weight_power``.

    Coordinates of opposite signs count 1, whatever their sizes; but sizes below the least normal
    number count less. Where one is 0 and the other
    is not there is a kink; the gradient is the mean of its two sides.

    Memory: holds (..., K), and works in small tiles. Source: Miller-Golub et al. 2026.

    Args:
        form: "standard", "robust" or "weighted".
        min_denom: the least denominator of ``robust``, in units of x; None for 0.01.
        weight_power: the power q of ``weighted``, from 0 to 100; None for 0.5. With 1 it is the
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
            if q > 100:
                raise ValueError(f"weight_power must be at most 100, got {q!r}")
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
    needs_from = 1

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        size = x.abs() + w.abs()
        whole = size.clamp_min(self.min_denom) if self.min_denom > 0 else size
        return (share((x - w).abs(), whole).sum(-1),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        gap, size = x - w, x.abs() + w.abs()
        whole = size.clamp_min(self.min_denom) if self.min_denom > 0 else size
        of_whole, step = inverse(whole), gap.sign()
        # A true quotient: 1 to the last bit for opposite signs, so that the slopes are exactly 0.
        part = over(gap.abs(), whole)
        if self.min_denom > 0:
            # 0 where the denominator is constant; by arithmetic, as `where` is ten times slower.
            part = part * (1 - (self.min_denom - size).sign().clamp_min(0.0))
        return of_whole * (step - part * x.sign()), of_whole * (-step - part * w.sign())


@dataclass(frozen=True)
class WeightedMean(Formula):
    """The form ``weighted``; with one over a unit of the sizes, and over the sum of weights."""

    weight_power: float

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        size = x.abs() + w.abs()
        # The largest size is 1 to 2 of these units, which are known without a look at the pairs.
        of_unit = inverse(x.detach().abs().amax(-1).maximum(w.detach().abs().amax(-1)))
        weight = power(size * of_unit.unsqueeze(-1), self.weight_power, beside_one=True)
        total = weight.sum(-1)
        mean = ratio((weight * share((x - w).abs(), size)).sum(-1), total)
        return mean, of_unit, inverse(total.detach())

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        mean, of_unit, of_total = found
        gap, size = x - w, x.abs() + w.abs()
        of_size, step = inverse(size), gap.sign()
        part = gap.abs() * of_size
        weight = raised(size * of_unit, self.weight_power) * of_total * of_size
        q = self.weight_power
        growth = torch.add(-q * mean, part, alpha=q - 1)  # (q - 1) part - q mean
        in_x = weight * torch.addcmul(step, growth, x.sign())
        return in_x, weight * (growth * w.sign() - step)
