"""Refusing bad input, in the same words everywhere: what was given, what was expected."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real


def unknown_name(kind: str, given: object, valid: Iterable[str]) -> str:
    """What was given, the nearest valid name, and all of them.

    >>> unknown_name("split", "tset", ["train", "test"])
    "unknown split 'tset'; did you mean 'test'? (valid: train, test)"
    """
    names = list(valid)
    text = given.lower() if isinstance(given, str) else ""
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {given!r}{hint} (valid: {', '.join(names) or 'none'})"


def check_name(kind: str, given: object, valid: Iterable[str]) -> None:
    """Refuse what is not one of the valid names."""
    names = list(valid)
    if given not in names:
        raise ValueError(unknown_name(kind, given, names))


def check_options(name: str, build: Callable[..., object], options: Mapping[str, object]) -> None:
    """Refuse options that ``build`` does not take, and calls without one that it needs."""
    parameters = inspect.signature(build).parameters
    for option in options:
        if option not in parameters:
            raise TypeError(unknown_name(f"option of {name}:", option, parameters))
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in options:
            raise TypeError(f"{name} needs the option {option!r} (valid: {', '.join(parameters)})")


def check_number(name: str, value: object, kind: str = "positive") -> float:
    """Refuse what is not a finite number of its kind; returns it."""
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        if kind == "real" or number > 0 or (kind == "non-negative" and number == 0):
            return number
    raise ValueError(f"{name} must be a {kind} finite number, got {value!r}")


def check_size(name: str, value: object) -> int:
    """Refuse what is not a positive integer; returns it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return int(value)
