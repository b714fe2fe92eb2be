"""Heads that share an embedding's weight: the linear one, and the harmonic one as released."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Dot products with the rows of a given weight (V, D), and a bias if ``bias``.

    The bias is drawn as ``nn.Linear`` draws it, uniform within 1/sqrt(D).
    """

    def __init__(self, weight: nn.Parameter, bias: bool) -> None:
        super().__init__()
        self.weight = weight
        bound = weight.shape[1] ** -0.5
        self.bias = nn.Parameter(torch.empty(len(weight)).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class ReleasedHead(nn.Module):
    r"""As Baek et al. released it: :math:`z_k = -\log(\lVert x - w_k \rVert^2 + 10^{-4})`.

    It is d to the power of -2, softened at d = 0.01: the exponent that they call 1 is on the
    square. The square comes by expansion and may be a rounding error below 0, which their
    1e-4 outweighs while the numbers are small.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        lengths = x.square().sum(-1, keepdim=True) + self.weight.square().sum(-1)
        return -(lengths - 2 * x @ self.weight.mT + 1e-4).log()
