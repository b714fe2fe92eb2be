"""A classification head whose logits are harmonic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harmonic_lib.checks import check_size
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.distances.cosine import Cosine
from harmonic_lib.harmax import Link, link
from harmonic_lib.loss.cross_entropy import cross_entropy


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
        distance: a name of ``harmonic_lib.DISTANCES``, or a ``Distance`` module; None for
            "euclidean", or "cosine" where the link is "cosine_softmax".
        exponent: the exponent n of the links that have one; None for sqrt(D), the advice of
            Baek et al. 2025 (section 2): with it the logits of an input differ by order 1
            between random prototypes that are about as long as the input, whatever D.
        weight: a (K, D) parameter to share, such as ``embedding.weight``; None for
            an own one.
        link: from distances to logits: a name or a value of ``harmonic_lib.link``.

    Raises:
        ValueError: a size below 1, an unknown name, an exponent that is not a positive number
            or beside a link without one, a cosine softmax of another distance, or a
            ``weight`` of another shape.
        TypeError: a ``weight``, ``distance`` or ``link`` of another type.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        distance: str | Distance | None = None,
        exponent: float | None = None,
        weight: nn.Parameter | None = None,
        link: str | Link = "harmonic",
    ) -> None:
        super().__init__()
        self.in_features = check_size("in_features", in_features)
        self.num_classes = check_size("num_classes", num_classes)
        self.link = as_link(link, exponent, in_features)
        self.exponent = self.link.options.get("exponent")
        cosine_alone = self.link.name == "cosine_softmax"
        if distance is None:
            distance = "cosine" if cosine_alone else "euclidean"
        self.distance = as_distance(distance, in_features)
        if cosine_alone and not isinstance(self.distance, Cosine):
            raise ValueError(f"cosine_softmax needs the cosine distance, got {self.distance}")
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
        return self.link(self.distance(x, self.weight))

    def loss(
        self,
        x: Tensor,
        y: Tensor,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
        max_mb: float | None = None,
    ) -> Tensor:
        """``F.cross_entropy(head(x), y)`` and its gradients, in little memory, for many classes.

        (..., D), (...) -> a number, or (...) where ``reduction`` is "none". Arguments and errors
        are those of :func:`harmonic_lib.harmonic_cross_entropy`.
        """
        loss: Tensor = cross_entropy(
            x,
            self.weight,
            y,
            self.distance,
            self.link,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
            max_mb=max_mb,
        )
        return loss

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_classes={self.num_classes}, link={self.link}"


def as_link(given: str | Link, exponent: float | None, in_features: int) -> Link:
    """The link that was named, with its exponent, or the one that was given."""
    if not isinstance(given, str | Link):
        raise TypeError(f"link must be a name or a Link, got {type(given).__name__}")
    if isinstance(given, str) and given in ("harmonic", "student_t"):
        return link(given, exponent=math.sqrt(in_features) if exponent is None else exponent)
    if exponent is not None:
        raise ValueError(f"an exponent has no place beside this link, got {exponent!r} and {given}")
    return link(given) if isinstance(given, str) else given


def check_shared(weight: nn.Parameter, shape: tuple[int, int]) -> None:
    """Refuse a shared weight that would not train, or does not fit."""
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"weight must be an nn.Parameter, got {type(weight).__name__}")
    if tuple(weight.shape) != shape:
        raise ValueError(f"weight must have shape {shape}, got {tuple(weight.shape)}")
