"""The Bray-Curtis distance: the difference of two vectors over their sum."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.distances.arithmetic import ratio
from harmonic_lib.distances.base import DISTANCES, Distance, form_of
from harmonic_lib.distances.cosine import directions
from harmonic_lib.distances.pairwise import Norm, every_pair


class BrayCurtis(Distance):
    r"""The Bray-Curtis dissimilarity, :math:`d(x, w) = \sum_i |x_i - w_i| / \sum_i |x_i + w_i|`.

    - ``standard``: as above and in SciPy; in [0, 1] for vectors without negative entries, and
      unbounded for others. The denominator counts as
      :math:`\epsilon (\lVert x \rVert_1 + \lVert w \rVert_1)` at least, below which it has no
      digits: opposite vectors are :math:`1/\epsilon` apart, not infinitely far;
    - ``abs``: over :math:`\lVert x \rVert_1 + \lVert w \rVert_1`; in [0, 1];
    - ``normalized``: of absolute values that are made to sum to 1, so half their Manhattan
      distance, the total variation; in [0, 1], in float32 to about 5e-8. A zero vector is at 1
      to everything.

    All are quotients of Manhattan distances. Memory: holds (..., K) up to four times. Source:
    Miller-Golub et al. 2026; their standard denominator is the absolute value of the sum.

    Args:
        form: "standard", "abs" or "normalized".

    Raises:
        ValueError: an unknown form.
    """

    spec = DISTANCES["bray_curtis"]

    def __init__(self, form: str = "standard") -> None:
        super().__init__()
        self.spec = form_of(self.spec, form)

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        if self.spec.form == "normalized":
            return every_pair(Norm(1), *directions(x.abs(), w.abs(), p=1)) / 2
        whole = x.abs().sum(-1, keepdim=True) + w.abs().sum(-1)
        if self.spec.form == "standard":
            whole = every_pair(Norm(1), x, -w).maximum(torch.finfo(x.dtype).eps * whole.detach())
        return ratio(every_pair(Norm(1), x, w), whole)
