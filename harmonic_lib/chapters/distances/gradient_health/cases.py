"""The hard inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from harmonic_lib.checks import check_name

WIDTH, CLASSES = 64, 40
OWN = torch.tensor([0])
EXPONENT = math.sqrt(WIDTH)
HUGE = 1e4
"""A gradient above this multiple of the natural pull would throw a vector out of the data."""

Pairs = Callable[[Tensor, Tensor], Tensor]
"""Distances (1, D), (K, D) -> (1, K)."""


@dataclass(frozen=True)
class Case:
    """x (1, D), w (K, D), whose first row is the right class; exponent None: the usual one."""

    x: Tensor
    w: Tensor
    exponent: float | None = None


Draw = Callable[[torch.Generator], Case]


def plain(g: torch.Generator, scale: float = 1.0, exponent: float | None = None) -> Case:
    """Normal entries: lengths about 8, all prototypes about equally far."""
    drawn = scale * torch.randn(1 + CLASSES, WIDTH, dtype=torch.float64, generator=g)
    return Case(drawn[:1].float(), drawn[1:].float(), exponent)


def matched(g: torch.Generator, twins: int = 1) -> Case:
    """x on its own prototype, of which there are some."""
    case = plain(g)
    return replace(case, w=torch.cat([case.x.expand(twins, -1), case.w[twins:]]))


def zeros(g: torch.Generator, x: bool, own: bool) -> Case:
    """A zero x, a zero own prototype, or both."""
    case = plain(g)
    w = torch.cat([0 * case.w[:1], case.w[1:]]) if own else case.w
    return Case(0 * case.x if x else case.x, w)


def close(
    g: torch.Generator, length: float, gap: float, dtype: torch.dtype = torch.float32
) -> Case:
    """Vectors of one length; the own prototype 1.25 gaps from x, another one gap.

    A gap below the spacing of the numbers is put into eight coordinates that are as small.
    """
    drawn = torch.randn(1 + CLASSES, WIDTH, dtype=torch.float64, generator=g)
    directions = torch.randn(2, WIDTH, dtype=torch.float64, generator=g)
    if gap < 1e-7 * length:
        drawn[0, -8:] *= gap
        directions[:, :-8] = 0
    directions[:, -1] = 4.0  # one coordinate leads: no tie for Chebyshev
    drawn *= length / drawn.norm(dim=-1, keepdim=True)
    if gap < 1e-7 * length:
        drawn[0, -8:] /= length
    x, w = drawn[:1], drawn[1:]
    steps = gap * torch.tensor([[1.25], [1.0]], dtype=torch.float64)
    w[:2] = x + steps * directions / directions.norm(dim=-1, keepdim=True)
    return Case(x.to(dtype), w.to(dtype))


def huge_feature(g: torch.Generator) -> Case:
    """One feature of 10,000, the same in x and in all prototypes."""
    case = plain(g)
    case.x[:, 0] = case.w[:, 0] = 1e4
    return case


def rectified(g: torch.Generator) -> Case:
    """An x after ReLU: half of its entries are 0."""
    case = plain(g)
    return replace(case, x=case.x.clamp_min(0))


def opposite(g: torch.Generator) -> Case:
    """Another class's prototype is -x."""
    case = plain(g)
    return replace(case, w=torch.cat([case.w[:1], -case.x, case.w[2:]]))


def other_signs(g: torch.Generator) -> Case:
    """All of x positive, all of w negative."""
    case = plain(g)
    return Case(case.x.abs(), -case.w.abs())


INPUTS: dict[str, Draw] = {
    "ordinary": plain,
    "x = own": matched,
    "x = own = other": partial(matched, twins=2),
    "x = 0": partial(zeros, x=True, own=False),
    "own = 0": partial(zeros, x=False, own=True),
    "x = own = 0": partial(zeros, x=True, own=True),
    "gap 1e-4, length 1": partial(close, length=1, gap=1e-4),
    "gap 1e-6, length 1": partial(close, length=1, gap=1e-6),
    "gap 1e-9, length 1": partial(close, length=1, gap=1e-9),
    "gap 1e-2, length 28": partial(close, length=28, gap=1e-2),
    "gap 1e-4, length 28": partial(close, length=28, gap=1e-4),
    "gap 1e-9, length 28": partial(close, length=28, gap=1e-9),
    "scale 1e-18": partial(plain, scale=1e-18),
    "scale 1e-6": partial(plain, scale=1e-6),
    "scale 1e6": partial(plain, scale=1e6),
    "scale 1e18": partial(plain, scale=1e18),
    "one huge feature": huge_feature,
    "bfloat16, length 28": partial(close, length=28, gap=1.0, dtype=torch.bfloat16),
    "float16, length 28": partial(close, length=28, gap=1.0, dtype=torch.float16),
    "n = 28": partial(plain, exponent=28.0),
    "n = 768": partial(plain, exponent=768.0),
    "n = 1536": partial(plain, exponent=1536.0),
    "ReLU zeros in x": rectified,
    "other = -x": opposite,
    "x > 0 > w": other_signs,
}

Loss = Callable[[Tensor, Tensor, float], Tensor]

DRAWS = {"smoke": 1, "quick": 1, "full": 20}


def draws(column: str, number: int, seed: int = 0) -> list[Case]:
    """Some cases of a kind of input."""
    check_name("input", column, INPUTS)
    generator = torch.Generator().manual_seed(seed)
    return [INPUTS[column](generator) for _ in range(number)]
