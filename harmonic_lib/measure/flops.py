"""Counting floating-point operations."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def flops_of(call: Callable[[], object]) -> int:
    """The floating-point operations of a call, forward and backward.

    Products of matrices, convolutions and attention count, by their shapes: 2MKN for
    (M, K) times (K, N). Element-by-element arithmetic does not count, as is usual: a distance
    that is not computed by matrix products counts as 0.

    >>> import torch
    >>> flops_of(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def training_flops(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> float | None:
    """What :func:`flops_of` counts in training a classifier: ``epochs`` times all rows of ``x``.

    One step of a copy is counted and multiplied, which is exact where the operations grow
    with the rows. None where nothing of the model is counted.
    """
    model, rows = copy.deepcopy(model).train(), min(len(x), 128)
    step = flops_of(lambda: F.cross_entropy(model(x[:rows]), y[:rows]).backward())
    return step * epochs * len(x) / rows or None
