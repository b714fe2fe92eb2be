"""The Hamming distance: the share of bits that differ."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.pairwise import Norm, every_pair
from harmonic_lib.distances.products import refined_below

NEAR = 2.0**-6
"""Where a mean difference of bits has lost six binary digits."""


class Hamming(Distance):
    r"""The mean difference of bits, :math:`d(x, w) = \frac1D \sum_i |a_i - b_i|`, in [0, 1].

    The bits of x and w are, with threshold :math:`\theta` and temperature T,

    - ``soft``: :math:`\sigma((x_i - \theta) / T)`;
    - ``hard``: 1 where :math:`x_i > \theta`, else 0, with the gradient of the soft bit
      (straight through), and none where two bits agree;
    - ``gumbel``: in training, soft bits of x plus logistic noise, the difference of two Gumbel
      variables, drawn once a call for each coordinate and common to x and w (``vmap`` asks how,
      by its ``randomness``); as T falls, the mean over the noise becomes the soft distance of T =
      1. In evaluation, the soft bits.

    It is the Manhattan distance of bits, which loses differences of soft bits below 1e-7 in
    float32. Those below 1/64 are therefore computed again (on a GPU, under ``vmap``, or where
    there are many, the four nearest prototypes of each input) from
    :math:`|\sigma(a) - \sigma(b)| = |\tanh \tfrac{a - b}2| \,
    (\sigma(a) \sigma(-b) + \sigma(-a) \sigma(b))`.

    Memory: holds (..., K) up to three times, and (..., 4, D). Source: Miller-Golub et al. 2026,
    there with a sum in place of the mean that SciPy has.

    Args:
        form: "soft", "gumbel" or "hard".
        temperature: T > 0, in units of x; in ``hard`` it shapes the gradient alone.
        threshold: the number between the two answers; 0.5 suits zeros and ones.

    Raises:
        ValueError: an unknown form, or a number out of its range.
    """

    spec = DISTANCES["hamming"]

    def __init__(
        self, form: str = "soft", temperature: float = 1.0, threshold: float = 0.5
    ) -> None:
        super().__init__()
        self.spec = form_of(self.spec, form)
        self.temperature = check_number("temperature", temperature)
        self.threshold = check_number("threshold", threshold, kind="real")

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        threshold: float | Tensor = self.threshold
        if self.spec.form == "gumbel" and self.training:
            uniform = torch.rand(x.shape[-1], dtype=x.dtype, device=x.device)
            threshold = threshold - uniform.logit(eps=torch.finfo(x.dtype).eps)
        d = every_pair(Norm(1), self.bits(x, threshold), self.bits(w, threshold)) / x.shape[-1]
        if self.spec.form == "hard":
            return d
        exact = partial(self.exact, threshold=threshold)
        return refined_below(d, NEAR, torch.finfo(d.dtype).eps, exact, x, w)

    def bits(self, v: Tensor, threshold: float | Tensor) -> Tensor:
        soft = ((v - threshold) / self.temperature).sigmoid()
        if self.spec.form == "hard":
            return (v > threshold).to(v.dtype) + (soft - soft.detach())
        return soft

    def exact(self, x: Tensor, w: Tensor, threshold: float | Tensor) -> Tensor:
        """The mean difference of soft bits, with no difference of close numbers but x - w."""
        a, b = ((v - threshold) / self.temperature for v in (x, w))
        either = a.sigmoid() * (-b).sigmoid() + (-a).sigmoid() * b.sigmoid()
        return (((x - w) / (2 * self.temperature)).tanh().abs() * either).mean(-1)
