"""Where the prototypes lie."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def prototypes(head: nn.Module) -> Tensor:
    """The (K, D) weight of a head, linear or harmonic, apart from its graph."""
    weight = head.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def class_means(x: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """The mean input of each class: (N, D), (N,) -> (K, D); NaN for an empty class."""
    member = F.one_hot(y, num_classes).to(x.dtype)
    return (member.T @ x) / member.sum(0).unsqueeze(1)


def prototype_alignment(weight: Tensor, means: Tensor) -> float:
    """The mean cosine between each prototype and the mean of its class, in [-1, 1]."""
    return float(F.cosine_similarity(weight, means, dim=1).mean())


def mutual_cosine(means: Tensor) -> float:
    """The mean cosine between the means of two different classes, to compare alignment with."""
    unit = F.normalize(means, dim=1)
    return float((unit @ unit.T)[~torch.eye(len(means), dtype=torch.bool)].mean())
