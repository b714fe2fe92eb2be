"""What a head is, besides its weights: its distance and its link, as values that JSON can hold."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from harmonic_lib.distances import CLASSES, Distance
from harmonic_lib.harmax import Link, link

Settings = dict[str, Any]
"""{"distance": {"name", "options"}, "link": {"name", "options"}}"""


def of(distance: Distance, chosen: Link) -> Settings:
    """The settings of a head with this distance and this link."""
    own = type(distance)
    named = next((name for name, known in CLASSES.items() if known is own), own.__qualname__)
    settings: Settings = {
        "distance": {"name": named, "options": distance.options()},
        "link": {"name": chosen.name, "options": dict(chosen.options)},
    }
    # As JSON has them, where an option of a distance of the user's own is something else.
    return json.loads(json.dumps(settings, default=repr))  # type: ignore[no-any-return]


def without_exponent(settings: Settings) -> Settings:
    """All but the exponent, which may change from state to state."""
    own = settings["link"]
    options = {key: value for key, value in own["options"].items() if key != "exponent"}
    return {**settings, "link": {**own, "options": options}}


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
    """The settings as the bytes of their JSON, (512,) or more: what stores tensors can store them,
    and what compares their shapes finds the same one."""
    return torch.tensor(list(json.dumps(settings).ljust(512).encode()), dtype=torch.uint8)


def from_tensor(state: Tensor) -> Settings:
    """What :func:`to_tensor` was given; it survives a cast to half precision, and averages.

    Raises:
        ValueError: it is not such a tensor.
    """
    try:
        settings: Settings = json.loads(bytes(state.round().to(torch.uint8).tolist()))
        _ = settings["distance"]["name"], settings["distance"]["options"]
        link(settings["link"]["name"], **settings["link"]["options"])
    except (AttributeError, TypeError, ValueError, KeyError, RuntimeError) as error:
        what = f"{state.dtype} {tuple(state.shape)}" if isinstance(state, Tensor) else repr(state)
        raise ValueError(f"expected the settings of a harmonic head, got {what}") from error
    return settings
