"""The message for a name that does not exist, the same everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, given: object, valid: Iterable[str]) -> str:
    """What was given, the nearest valid name, and all of them.

    >>> unknown_name("split", "tset", ["train", "test"])
    "unknown split 'tset'; did you mean 'test'? (valid: train, test)"
    """
    names = list(valid)
    near = difflib.get_close_matches(str(given).lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {given!r}{hint} (valid: {', '.join(names) or 'none'})"
