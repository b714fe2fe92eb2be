"""How far a classifier by distances is from a mistake."""

from __future__ import annotations

import torch
from torch import Tensor


def own_and_nearest_other(dist: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The distance to the own prototype and to the nearest other: (N, K), (N,) -> (N,), (N,).

    Raises:
        ValueError: fewer than two classes, so that there is no other.
    """
    if dist.shape[1] < 2:
        raise ValueError(f"a margin needs at least two classes, got {dist.shape[1]}")
    own = dist.gather(1, y.unsqueeze(1)).squeeze(1)
    others = dist.scatter(1, y.unsqueeze(1), torch.inf)
    return own, others.min(1).values


def distance_margin(dist: Tensor, y: Tensor) -> Tensor:
    """Nearest other minus own distance, (N,); not positive where the answer is wrong or tied."""
    own, other = own_and_nearest_other(dist, y)
    return other - own


def log_ratio_margin(dist: Tensor, y: Tensor) -> Tensor:
    """The logarithm of nearest other over own distance, (N,): the same in every unit of length."""
    own, other = own_and_nearest_other(dist, y)
    return other.log() - own.log()


def squared_margin(x: Tensor, w: Tensor, y: Tensor, centre: Tensor, radius: float) -> Tensor:
    r"""Half the difference of the squared Euclidean distances over the length of the input, (N,).

    :math:`(d_{other}^2 - d_{own}^2) / 2 \sqrt{\lVert x - a \rVert^2 + \rho^2}` with the
    centre a and the radius :math:`\rho`: a length, of the sign of the distance margin.
    """
    own, other = own_and_nearest_other(torch.cdist(x, w), y)
    reach = ((x - centre).square().sum(1) + radius**2).sqrt()
    return (other - own) * (other + own) / 2 / reach
