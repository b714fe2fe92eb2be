"""The Mahalanobis distance: Euclid's, in coordinates that are learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harmonic_lib.checks import check_size
from harmonic_lib.distances.base import DISTANCES, form_of
from harmonic_lib.distances.euclidean import Euclidean, Two
from harmonic_lib.distances.products import euclidean

FLOOR = 1e-6
"""The least eigenvalue of the precision matrix in the form ``full``."""


class Mahalanobis(Euclidean):
    r"""Euclid's distance by a learnt precision matrix, :math:`\sqrt{(x - w)^\top P (x - w)}`.

    P is positive definite by construction, whatever the parameter ``weight`` is, and the
    identity where that is 0, as at first:

    - ``full``: :math:`P = A A^\top + \epsilon I`, with :math:`A = \sqrt{1-\epsilon}\, I` + weight
      and :math:`\epsilon` = 1e-6;
    - ``cholesky``: :math:`P = L L^\top`; L is ``weight`` below its diagonal, the exponential of
      ``weight`` on it, and 0 above it;
    - ``diagonal``: :math:`P = \operatorname{diag}(e^{\text{weight}})`.

    It is the Euclidean distance of transformed vectors, which are computed in float64 (in
    ``head.loss`` in float32), as they lose digits where x and w are close to each other and far
    from 0; then the four nearest prototypes of each input (there: all near pairs) again from
    the transformed difference.

    Memory: holds a few (..., K) in float64, and (..., 4, D), for ``full`` (..., 4, 2D). Source:
    Miller-Golub et al. 2026; in their code P need not be positive definite, and the optimisers of
    the language models leave it out.

    Args:
        dim: D, the width of x and w.
        form: "full", "cholesky" or "diagonal".
        precision: P at first, (D, D), or (D,) for ``diagonal``; None for the identity.

    Raises:
        ValueError: an unknown form, a ``dim`` below 1, x and w of another width, or a
            ``precision`` of another shape or that is not symmetric and positive definite
            (``full``: with an eigenvalue of 1e-6 or less).
        TypeError: a ``precision`` that is not of floating point.
    """

    spec = DISTANCES["mahalanobis"]

    def __init__(self, dim: int, form: str = "full", precision: Tensor | None = None) -> None:
        super().__init__()
        self.spec = form_of(self.spec, form)
        self.dim = check_size("dim", dim)
        self.weight = nn.Parameter(torch.empty((dim,) if form == "diagonal" else (dim, dim)))
        self._first = None if precision is None else self.weight_for(precision)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make P again what it was at first: ``precision``, or the identity."""
        nn.init.zeros_(self.weight)
        if self._first is not None:
            with torch.no_grad():
                self.weight.copy_(self._first)

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        if x.shape[-1] != self.dim:
            raise ValueError(f"expected x and w of width dim = {self.dim}, got {x.shape[-1]}")
        return euclidean(x, w, linear=self.linear)

    def coordinates(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        if self.spec.form != "diagonal":
            return x, w
        u, v = self.linear(x, w)
        return u, v

    def metric(self, dtype: torch.dtype) -> Tensor | None:
        return None if self.spec.form == "diagonal" else self._precision(dtype)

    def gap(self, vectors: Two, coordinates: Two, pairs: Two) -> Tensor:
        x, w = vectors
        gaps = x[pairs[0]] - w[pairs[1]]
        return self.linear(gaps)[0] if self.spec.form == "diagonal" else gaps

    def squared(self, gaps: Tensor) -> Tensor:
        if self.spec.form != "diagonal":  # not by P, whose digits do not reach its least eigenvalue
            (gaps,) = self.linear(gaps)
        return super().squared(gaps)

    def linear(self, *vectors: Tensor) -> tuple[Tensor, ...]:
        """Each Fᵀv with P = F Fᵀ, in the precision of v: (..., D) -> (..., D) or (..., 2D)."""
        weight = self.weight.to(vectors[0].dtype)
        if self.spec.form == "diagonal":
            scale = (weight / 2).exp()
            return tuple(v * scale for v in vectors)
        if self.spec.form == "cholesky":
            factor = _lower(weight)
            return tuple(v @ factor for v in vectors)
        return tuple(_with_floor(v, weight) for v in vectors)

    @property
    def precision(self) -> Tensor:
        """P, of shape (D, D)."""
        return self._precision(self.weight.dtype)

    def _precision(self, dtype: torch.dtype) -> Tensor:
        weight = self.weight.to(dtype)
        if self.spec.form == "diagonal":
            return weight.exp().diag()
        if self.spec.form == "cholesky":
            factor = _lower(weight)
            return factor @ factor.mT
        eye = weight.new_ones(self.dim).diag()
        root = torch.add(weight, eye, alpha=math.sqrt(1 - FLOOR))
        return torch.addmm(eye, root, root.mT, beta=FLOOR)

    def weight_for(self, precision: Tensor) -> Tensor:
        """The ``weight`` that makes P equal to ``precision``."""
        shape, form = tuple(self.weight.shape), self.spec.form
        if not isinstance(precision, Tensor) or tuple(precision.shape) != shape:
            given = tuple(precision.shape) if isinstance(precision, Tensor) else precision
            raise ValueError(f"the precision of {form!r} must be a {shape} tensor, got {given}")
        if not precision.is_floating_point():
            raise TypeError(f"precision must be a floating-point tensor, got {precision.dtype}")
        matrix = precision.double().diag() if form == "diagonal" else precision.double()
        floor = FLOOR if form == "full" else 0.0
        eye = matrix.new_ones(self.dim).diag()
        root: Tensor
        root, failed = torch.linalg.cholesky_ex(matrix - floor * eye)
        if failed or not torch.allclose(matrix, matrix.mT):
            what = f"symmetric and positive definite, with eigenvalues above {floor:g}"
            raise ValueError(f"precision must be {what}, got {precision}")
        if form == "diagonal":
            return precision.log()
        if form == "cholesky":
            return root.tril(-1) + root.diagonal().log().diag()
        return root - math.sqrt(1 - FLOOR) * eye


def _lower(weight: Tensor) -> Tensor:
    """L of the form ``cholesky``, (D, D)."""
    return weight.tril(-1) + weight.diagonal().exp().diag()


def _with_floor(v: Tensor, weight: Tensor) -> Tensor:
    """Aᵀv, beside a part for epsilon: (..., D) -> (..., 2D). What is not learnt stays exact."""
    rows = v.reshape(-1, v.shape[-1])
    mapped = torch.addmm(rows, rows, weight, beta=math.sqrt(1 - FLOOR)).view_as(v)
    return torch.cat([mapped, math.sqrt(FLOOR) * v], -1)
