"""What a head is, besides its weights: its distance and its link, as values that JSON can hold."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from harmonic_lib.distances import Distance
from harmonic_lib.harmax import Link

Settings = dict[str, Any]
"""{"distance": {"name", "options"}, "link": {"name", "options"}}"""


def of(distance: Distance, link: Link) -> Settings:
    """The settings of a head with this distance and this link."""
    spec = getattr(distance, "spec", None)  # a distance of the user's own need not have one
    name = spec.name if spec else type(distance).__qualname__
    return {
        "distance": {"name": name, "options": distance.options()},
        "link": {"name": link.name, "options": dict(link.options)},
    }


def without_exponent(settings: Settings) -> Settings:
    """All but the exponent, which may change from state to state."""
    link = settings["link"]
    options = {key: value for key, value in link["options"].items() if key != "exponent"}
    return {**settings, "link": {**link, "options": options}}


def in_words(settings: Settings) -> str:
    """The settings as in the calls that make them.

    >>> import harmonic_lib as hl
    >>> in_words(of(hl.distance("minkowski", p=3.0), hl.link("harmonic", exponent=8)))
    'minkowski(p=3.0), harmonic(exponent=8.0)'
    """
    return ", ".join(
        f"{part['name']}({', '.join(f'{key}={value!r}' for key, value in part['options'].items())})"
        for part in settings.values()
    )


def to_tensor(settings: Settings) -> Tensor:
    """The settings as the bytes of their JSON: whatever stores tensors can store them."""
    return torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)


def from_tensor(state: Tensor) -> Settings:
    """What :func:`to_tensor` was given.

    Raises:
        ValueError: it is not such a tensor.
    """
    try:
        settings: Settings = json.loads(bytes(state.tolist()))
        _ = settings["distance"]["name"], settings["link"]["options"]
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"expected the settings of a harmonic head, got {state!r}") from error
    return settings
