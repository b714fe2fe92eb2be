"""A classification head whose logits are harmonic."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from harmonic_lib import settings
from harmonic_lib.checks import check_number, check_size
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
    rows are the class centres. See :meth:`reset_parameters` for how they are drawn.

    A ``state_dict`` also holds the distance with its options, the link and the exponent. The
    exponent is loaded; a state of another distance or link is refused, and then leaves the head as
    it is.

    Args:
        in_features: D, the width of an input.
        num_classes: K, the number of prototypes.
        distance: a name of ``harmonic_lib.DISTANCES``, or a ``Distance`` module; None for
            "euclidean", or "cosine" where the link is "cosine_softmax".
        exponent: the exponent n of the links that have one; None for the distance's own, which
            ``hl.DISTANCES`` has: 2D for Euclid and Mahalanobis, sqrt(D) for cosine, Chebyshev and
            the normalized Bray-Curtis distance, else D. These suit features of unit variance, such
            as a LayerNorm's; for others there is :meth:`match`. The advice of Baek et al. 2025
            (section 2) is sqrt(D), for features about as long as the prototypes.
        weight: a (K, D) parameter to share, such as ``embedding.weight``; None for
            an own one.
        link: from distances to logits: a name or a value of ``harmonic_lib.link``.
        device, dtype: of the head's own parameters, as in ``nn.Linear``.

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
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        shape = check_size("num_classes", num_classes), check_size("in_features", in_features)
        cosine_alone = "cosine_softmax" in (link, getattr(link, "name", None))
        if distance is None:
            distance = "cosine" if cosine_alone else "euclidean"
        self.distance = as_distance(distance, in_features)
        if isinstance(distance, str):
            self.distance.to(device=device, dtype=dtype)
        self.link = as_link(link, exponent, self.distance.default_exponent(in_features))
        if cosine_alone and not isinstance(self.distance, Cosine):
            raise ValueError(f"cosine_softmax needs the cosine distance, got {self.distance}")
        self.register_parameter("bias", None)  # as nn.Linear has it where it has none
        if weight is None:
            self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.reset_parameters()
        else:
            check_shared(weight, shape)
            self.weight = weight

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the prototypes anew.

        Entries are normal with variance 1/D. For Euclid and Mahalanobis they are then multiplied by
        0.1: with features much longer than the prototypes, the head is a linear layer to first
        order. For cosine they are a common vector plus 0.1 times the entries. So no class is
        preferred at the start. All others stay as drawn: with prototypes near the origin
        Manhattan's logits, for one, would depend on the signs of the features alone.
        """
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_features))
        if self.distance.start == "apart":
            return
        common = self.weight.mean(0) * math.sqrt(self.num_classes)  # of variance 1/D, too
        self.weight.mul_(0.1)
        if self.distance.start == "near each other":
            self.weight.add_(common)

    @property
    def in_features(self) -> int:
        """D, the width of an input."""
        return self.weight.shape[1]

    @property
    def num_classes(self) -> int:
        """K, the number of prototypes."""
        return self.weight.shape[0]

    @property
    def out_features(self) -> int:
        """K, under the name that it has in ``nn.Linear``."""
        return self.num_classes

    @out_features.setter
    def out_features(self, value: int) -> None:  # transformers sets it where it resizes weights
        if value != self.num_classes:
            raise ValueError(f"out_features is the number of prototypes, {self.num_classes}")

    @property
    def exponent(self) -> float | None:
        """The exponent n of the link; None where the link has none. It can be set."""
        return self.link.options.get("exponent")

    @exponent.setter
    def exponent(self, value: float) -> None:
        if "exponent" not in self.link.options:
            raise ValueError(f"an exponent has no place in this link: {self.link}")
        self.link = link(self.link.name, **{**self.link.options, "exponent": value})

    @torch.no_grad()
    def match(self, features: Tensor, spread: float | None = None) -> float:
        """Set the exponent to that which suits these features, once, before training.

        >>> body, head = nn.Sequential(nn.Linear(8, 64), nn.BatchNorm1d(64)), HarmonicHead(64, 10)
        >>> with torch.no_grad():
        ...     n = head.match(body.eval()(torch.randn(32, 8)))

        The spread of logits is their standard deviation over the classes, averaged over the
        inputs; they are proportional to the exponent. This gives these features the spread that
        features of unit variance have, with the same prototypes, at the default exponent.

        Args:
            features: inputs of the head, (..., D); of more than 512 rows, 512 evenly spaced ones.
            spread: the spread to set instead. With prototypes of your own that are about as long as
                the features, such as those of ``nn.Embedding``, 1 is a good start.

        Returns:
            The exponent, which replaces the one that was set.

        Raises:
            TypeError: features that are not a tensor.
            ValueError: a link without an exponent, a spread that is not a positive number, no
                features, or some at equal distances from all prototypes, which no exponent tells
                apart.
        """
        if spread is not None:
            check_number("spread", spread)
        if not isinstance(features, Tensor):
            raise TypeError(f"features must be a tensor, got {type(features).__name__}")
        if features.ndim == 0 or features.numel() == 0:
            raise ValueError(f"match needs at least one input, got {tuple(features.shape)}")
        rows = features.reshape(-1, features.shape[-1])
        rows = rows[:: math.ceil(len(rows) / MATCHED)]
        before, self.exponent = self.exponent or 1.0, 1.0  # refuses a link without one
        try:
            found = check_number("the spread of logits of these features", self.spread(rows))
            if spread is None:
                generator = torch.Generator("cpu").manual_seed(REFERENCE_SEED)
                unit = torch.randn(MATCHED, rows.shape[-1], generator=generator, device="cpu")
                n = self.distance.default_exponent(self.in_features)
                spread = n * self.spread(unit.to(rows))
        finally:
            self.exponent = before
        self.exponent = matched = spread / found
        return matched

    def spread(self, rows: Tensor) -> float:
        """The standard deviation of an input's logits over the classes, averaged over inputs."""
        return float(self(rows).double().std(-1, correction=0).mean())

    def forward(self, x: Tensor) -> Tensor:
        """The logits of inputs: (..., D) -> (..., K), in float32 at least."""
        return self.link(self.distance(x, self.weight))

    def loss(
        self,
        x: Tensor,
        y: Tensor,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
        max_mb: float | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """``F.cross_entropy(head(x), y)`` and its gradients, in little memory, for many classes.

        (..., D), (...) -> a number, or (...) where ``reduction`` is "none". Arguments and errors
        are those of :func:`harmonic_lib.harmonic_cross_entropy`; ``weight`` is for the classes.

        Raises:
            RuntimeError: the prototypes are sharded, as FSDP2 leaves them outside of ``forward``.
        """
        if hasattr(self.weight, "full_tensor"):  # a DTensor, whose class takes a second to load
            raise RuntimeError(SHARDED)
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
            weight=weight,
        )
        return loss

    def get_extra_state(self) -> Tensor:
        return settings.to_tensor(settings.of(self.distance, self.link))

    def set_extra_state(self, state: Tensor) -> None:
        given = self.checked(state)
        self.link = link(given["link"]["name"], **given["link"]["options"])

    def checked(self, state: Tensor, name: str = "this head") -> settings.Settings:
        """The settings in a state; refuses those of another distance or link."""
        own, given = settings.of(self.distance, self.link), settings.from_tensor(state)
        if settings.without_exponent(own) != settings.without_exponent(given):
            raise ValueError(
                f"{name} has {settings.in_words(own)}, and the state is that of a head with "
                f"{settings.in_words(given)}"
            )
        return given

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        key = f"{prefix}_extra_state"
        if key in state_dict:  # before a weight is touched
            self.checked(state_dict[key], prefix.rstrip(".") or "this head")
        elif f"{prefix}weight" in state_dict:
            own = self.in_short()
            warnings.warn(
                f"the state does not say of which head it is; it is taken for one with {own}",
                stacklevel=2,
            )
            state_dict[key] = self.get_extra_state()  # in a copy that load_state_dict made
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def in_short(self) -> str:
        """The distance and the link, with their options."""
        return settings.in_words(settings.of(self.distance, self.link))

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_classes={self.num_classes}, link={self.link}"


SHARDED = """the prototypes are sharded: FSDP2 gathers them for forward alone. After fully_shard,
torch.distributed.fsdp.register_fsdp_forward_method(head, "loss") makes it gather them for loss"""

MATCHED = 512
"""The most rows that :meth:`HarmonicHead.match` looks at."""

REFERENCE_SEED = 5_834_190_277
"""Of ``match``'s reference features. A common seed such as 0 could draw the prototypes again."""


def as_link(given: str | Link, exponent: float | None, default: float) -> Link:
    """The link that was named, with its exponent, or the one that was given."""
    if not isinstance(given, str | Link):
        raise TypeError(f"link must be a name or a Link, got {type(given).__name__}")
    if isinstance(given, str) and given in ("harmonic", "student_t"):
        return link(given, exponent=default if exponent is None else exponent)
    if exponent is not None:
        raise ValueError(f"an exponent has no place beside this link, got {exponent!r} and {given}")
    return link(given) if isinstance(given, str) else given


def check_shared(weight: nn.Parameter, shape: tuple[int, int]) -> None:
    """Refuse a shared weight that would not train, or does not fit."""
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"weight must be an nn.Parameter, got {type(weight).__name__}")
    if tuple(weight.shape) != shape:
        raise ValueError(f"weight must have shape {shape}, got {tuple(weight.shape)}")
