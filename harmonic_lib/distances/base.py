"""What every distance shares: one interface, one registry, one set of checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from harmonic_lib.names import unknown_name


@dataclass(frozen=True)
class DistanceSpec:
    """What is known of a distance before anything is computed.

    formula: LaTeX of d(x, w).
    metric: whether it satisfies the four axioms of a metric on its domain.
    homogeneity: the degree h with d(ax, aw) = a^h d(x, w) for all a > 0.
    domain: the vectors on which the formula means what it says.
    scipy: its name in ``scipy.spatial.distance``.
    cost: arithmetic for one pair of vectors of D numbers.
    intuition: one line for a reader who meets it for the first time.
    """

    name: str
    formula: str
    metric: bool
    homogeneity: int
    domain: str
    scipy: str
    cost: str
    intuition: str


class Distance(nn.Module):
    """d(x, w) between inputs and prototypes: ``(..., D), (K, D) -> (..., K)``.

    A subclass implements :meth:`pairwise`. It may assume checked shapes and one
    floating dtype of at least single precision: half-precision input, and input
    under autocast, is computed and returned in float32, because a distance is a
    difference of close numbers and half precision keeps too few digits of it.

    Raises:
        TypeError: ``x`` or ``w`` is not a floating-point tensor.
        ValueError: their shapes do not fit; the message shows both.
    """

    spec: DistanceSpec

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        check_inputs(x, w)
        dtype = torch.promote_types(torch.promote_types(x.dtype, w.dtype), torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            return self.pairwise(x.to(dtype), w.to(dtype))

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        """The distance itself, for ``x`` of shape (..., D) and ``w`` of shape (K, D)."""
        raise NotImplementedError


DISTANCES: dict[str, DistanceSpec] = {}
"""Every distance that :func:`distance` can build, by name."""

_CLASSES: dict[str, type[Distance]] = {}
_D = TypeVar("_D", bound=Distance)


def register(spec: DistanceSpec) -> Callable[[type[_D]], type[_D]]:
    """Class decorator: makes a :class:`Distance` known under ``spec.name``."""

    def add(cls: type[_D]) -> type[_D]:
        cls.spec = spec
        DISTANCES[spec.name] = spec
        _CLASSES[spec.name] = cls
        return cls

    return add


def distance(name: str, **options: object) -> Distance:
    """Build a distance by name.

    >>> d = distance("manhattan")
    >>> d(torch.tensor([0.0, 0.0]), torch.tensor([[3.0, 4.0], [1.0, 0.0]]))
    tensor([7., 1.])

    Args:
        name: a key of :data:`DISTANCES`.
        options: the constructor options of that distance.

    Raises:
        ValueError: no distance has that name; the message gives the nearest one.
        TypeError: the distance has no such option.
    """
    if name not in _CLASSES:
        raise ValueError(unknown_name("distance", name, DISTANCES))
    return _CLASSES[name](**options)


def check_inputs(x: Tensor, w: Tensor) -> None:
    """Refuse anything but floating ``x`` of shape (..., D) and ``w`` of shape (K, D)."""
    for label, tensor in (("x", x), ("w", w)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{label} must be a tensor, got {type(tensor).__name__}")
        if not tensor.is_floating_point():
            raise TypeError(f"{label} must be a floating-point tensor, got {tensor.dtype}")
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[-1] or w.numel() == 0:
        raise ValueError(
            "expected x of shape (..., D) and w of shape (K, D) with one D >= 1 and K >= 1, "
            f"got x {tuple(x.shape)} and w {tuple(w.shape)}"
        )
