"""A classification head whose logits are harmonic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harmonic_lib.distances import Distance, distance
from harmonic_lib.harmax import check_exponent, harmonic_logits


class HarmonicHead(nn.Module):
    r"""Takes the place of the last ``nn.Linear``: logits :math:`z_k = -n \log d(x, w_k)`.

    >>> head = HarmonicHead(in_features=64, num_classes=10)
    >>> logits = head(torch.randn(32, 64))
    >>> nn.functional.cross_entropy(logits, torch.randint(10, (32,))).ndim
    0

    Shapes: ``(..., in_features) -> (..., num_classes)``. ``head.weight`` is (K, D); its
    rows are the class centres, drawn from a normal distribution with variance 1/D.

    Args:
        in_features: D, the width of an input.
        num_classes: K, the number of prototypes.
        distance: a name of ``harmonic_lib.DISTANCES``, or a ``Distance`` module.
        exponent: the harmonic exponent n; None for sqrt(D), the advice of Baek et al.
            2025 (section 2): with it the logits of an input differ by order 1 between
            random prototypes that are about as long as the input, whatever D.
        weight: a (K, D) parameter to share, such as ``embedding.weight``; None for
            an own one.

    Raises:
        ValueError: a size below 1, an unknown distance, an exponent that is not a
            positive number, or a ``weight`` of another shape.
        TypeError: ``weight`` is not an ``nn.Parameter``, ``distance`` neither a name
            nor a ``Distance``.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        distance: str | Distance = "euclidean",
        exponent: float | None = None,
        weight: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("in_features", in_features), ("num_classes", num_classes)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
        self.in_features = in_features
        self.num_classes = num_classes
        self.distance = as_distance(distance)
        self.exponent = math.sqrt(in_features) if exponent is None else exponent
        check_exponent(self.exponent)
        if weight is None:
            self.weight = nn.Parameter(torch.empty(num_classes, in_features))
            self.reset_parameters()
        else:
            check_shared(weight, (num_classes, in_features))
            self.weight = weight

    def reset_parameters(self) -> None:
        """Draw the prototypes anew: independent normal entries of variance 1/D."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_features))

    def forward(self, x: Tensor) -> Tensor:
        return harmonic_logits(self.distance(x, self.weight), self.exponent)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, num_classes={self.num_classes}, "
            f"exponent={self.exponent:g}"
        )


def as_distance(given: str | Distance) -> Distance:
    """The distance that was named, or the one that was given."""
    if isinstance(given, Distance):
        return given
    if isinstance(given, str):
        return distance(given)
    raise TypeError(f"distance must be a name or a Distance, got {type(given).__name__}")


def check_shared(weight: nn.Parameter, shape: tuple[int, int]) -> None:
    """Refuse a shared weight that would not train, or does not fit."""
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"weight must be an nn.Parameter, got {type(weight).__name__}")
    if tuple(weight.shape) != shape:
        raise ValueError(f"weight must have shape {shape}, got {tuple(weight.shape)}")
