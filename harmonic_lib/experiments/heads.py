"""The harmonic heads that experiments compare: one table, and one way to build them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

import harmonic_lib as hl


def forms() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every form of every distance, and Minkowski's with p = 3: label -> (name, options)."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for spec in hl.DISTANCES.values():
        for form in spec.every_form():
            label = f"{form.name} {form.form}".strip()
            found[label] = (form.name, {**form.options})
    del found["minkowski p >= 1"], found["minkowski p < 1"]
    return found | {f"minkowski {p:g}": ("minkowski", {"p": p}) for p in (0.5, 1.5, 3.0)}


def harmonic(
    in_features: int,
    num_classes: int,
    distance: str,
    exponent: float | None,
    options: Mapping[str, Any] | None = None,
    weight: nn.Parameter | None = None,
) -> hl.HarmonicHead:
    """A harmonic head of a distance's name and options; a distance that learns gets its width."""
    width = {"dim": in_features} if hl.DISTANCES[distance].learns else {}
    built = hl.distance(distance, **(options or {}), **width)
    return hl.HarmonicHead(in_features, num_classes, built, exponent, weight=weight)
