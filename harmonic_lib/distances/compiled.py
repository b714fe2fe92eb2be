"""Arithmetic over all pairs as compiled loops, which hold no differences: see ``engine``.

``torch.compile`` fuses a formula and the sum after it into one loop. Four rows go through it
side by side, as outputs of one kernel: what is loaded of the other operand then serves
four times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental import _config as shapes

from harmonic_lib.distances.engine import NotCompiledError
from harmonic_lib.distances.formula import Formula

BACKEND = "inductor"

SIDE_BY_SIDE = 4
"""Rows that share what a loop loads."""

ROWS = 2**14
"""The most rows that a call takes: what has to be copied for it stays small."""

TILE = 2**20
"""The most numbers of the other operand in a call: 4 MiB in float32, which a cache can keep."""


def measure(formula: Formula, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """``formula`` of all pairs: (N, D), (K, D) -> some of (N, K)."""
    kernel = _kernel(formula, _measure)
    first = _kernel(formula.first, _measure) if formula.first else None
    found: tuple[Tensor, ...] = ()
    for rows in _spans(len(x), ROWS):
        blocks = _side_by_side(x[rows])
        for classes in _spans(len(w), TILE // w.shape[1]):
            known = first(formula.first, blocks, w[classes]) if first else ()
            tiles = kernel(formula, blocks, w[classes], *known)
            found = found or tuple(tile.new_empty(len(x), len(w)) for tile in tiles)
            for whole, tile in zip(found, tiles, strict=True):
                whole[rows, classes] = tile.flatten(0, 1)[: len(x[rows])]
    return found


def pull_back(
    formula: Formula, needed: tuple[bool, bool], x: Tensor, w: Tensor, g: Tensor, *found: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of ``(g * d).sum()`` in x and w, where they are needed."""
    turned = (v.mT for v in (g, *found))  # d(x, w) = d(w, x)
    return (
        _gradient(formula, x, w, g, *found) if needed[0] else None,
        _gradient(formula, w, x, *turned) if needed[1] else None,
    )


def _gradient(formula: Formula, x: Tensor, w: Tensor, *pairs: Tensor) -> Tensor:
    """In x: (N, D), (K, D), some of (N, K) -> (N, D). The loop is over the classes."""
    kernel = _kernel(formula, _pull)
    grad = torch.zeros_like(x, memory_format=torch.contiguous_format)
    for classes in _spans(len(w), TILE // w.shape[1]):
        others = w[classes].mT.contiguous()
        for rows in _spans(len(x), ROWS):
            blocks = [_side_by_side(v) for v in (x[rows], *(v[rows, classes] for v in pairs))]
            tile = kernel(formula, blocks[0], others, *blocks[1:])
            grad[rows] += tile.flatten(0, 1)[: len(x[rows])]
    return grad


def _measure(formula: Formula, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
    _only_compiled()
    of_rows = zip(*(v.unbind() for v in (x, *known)), strict=True)
    each = [formula(rows.unsqueeze(-2), w, *known_rows) for rows, *known_rows in of_rows]
    return tuple(torch.stack(parts) for parts in zip(*each, strict=True))


def _pull(formula: Formula, x: Tensor, w: Tensor, g: Tensor, *found: Tensor) -> Tensor:
    _only_compiled()
    each = []
    for rows, g_rows, *found_rows in zip(*(v.unbind() for v in (x, g, *found)), strict=True):
        in_x, _ = formula.slopes(rows.unsqueeze(-1), w, *(v.unsqueeze(-2) for v in found_rows))
        each.append((g_rows.unsqueeze(-2) * in_x).sum(-1))
    return torch.stack(each)


def _kernel(formula: Formula, loop: Callable[..., Any]) -> Callable[..., Any]:
    """A loop, compiled; as it is written, where it is a part of what is being compiled."""
    return loop if torch.compiler.is_compiling() else _compiled(formula, loop, BACKEND)


@cache
def _compiled(formula: Formula, loop: Callable[..., Any], backend: str) -> Callable[..., Any]:
    """One version for a formula, for all sizes."""
    # A code object of its own: torch.compile counts the versions that it made of each.
    own = FunctionType(loop.__code__.replace(co_name=f"{loop.__name__}_{formula}"), globals())
    compiled = torch.compile(own, dynamic=True, fullgraph=True, backend=backend)

    def kernel(formula: Formula, *arguments: Tensor) -> Any:
        # Sizes that happen to be equal may differ the next time.
        with shapes.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            return compiled(formula, *(v.detach() for v in arguments))

    return kernel


def _only_compiled() -> None:
    if not torch.compiler.is_compiling():
        raise NotCompiledError


def _side_by_side(rows: Tensor) -> Tensor:
    """(N, ...) as (4, M, ...), M > 1, with rows of zeros at the end where they do not suffice."""
    missing = max(-len(rows) % SIDE_BY_SIDE, 2 * SIDE_BY_SIDE - len(rows))
    padded = F.pad(rows, (0, 0, 0, missing)) if missing else rows.contiguous()
    return padded.view(SIDE_BY_SIDE, len(padded) // SIDE_BY_SIDE, rows.shape[-1])


def _spans(total: int, most: int) -> Iterator[slice]:
    """Slices of 0 ... total, of nearly one size, at most ``most`` and more than 1 each."""
    count = max(1, -(-total // max(2, most)))
    ends = [total * i // count for i in range(count + 1)]
    return (slice(start, end) for start, end in pairwise(ends))
