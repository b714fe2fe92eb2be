"""What binds the nine families together, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds. A distance is any function of x, (N, D), and w, (K, D), that gives (N, K).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.measure.axioms import Pairwise, normal
from harmonic_lib.measure.sharpness import matched_exponent

POWERS = (1.0, 1.5, 2.0, 3.0, 8.0, math.inf)


def bits(rows: int, dim: int, seed: int, *, zero: bool = False) -> Tensor:
    """Vectors of zeros and ones in float64, (rows, dim), none of them without a one.

    zero: but for the first, which is then all zeros.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(2, (rows, dim), generator=generator).double()
    drawn[drawn.sum(-1) == 0, 0] = 1.0
    if zero:
        drawn[0] = 0.0
    return drawn


def norm_distance(p: float) -> hl.Distance:
    """The distance of the p-norm, by whichever family of the library has it."""
    named = {1.0: "manhattan", 2.0: "euclidean", math.inf: "chebyshev"}
    return hl.distance(named[p]) if p in named else hl.distance("minkowski", p=p)


def widest(p: float, q: float, dim: int) -> float:
    """The largest ratio of the distances of two norms, p <= q: D^(1/p - 1/q)."""
    return float(dim ** (1 / p - 1 / q))


def norm_violation(
    dim: int,
    seed: int,
    factor: Callable[[float, float, int], float] = widest,
    powers: Sequence[float] = POWERS,
) -> float:
    """The most by which a ratio d_p / d_q, p < q, is outside [1, ``factor(p, q, dim)``].

    Of pairs of normal vectors, and of the two pairs that reach the ends: one coordinate that
    differs, and all of them by as much.
    """
    x, w = normal(20, dim, seed=seed), normal(20, dim, seed=seed + 1)
    origin = torch.zeros(1, dim, dtype=torch.float64)
    ends = torch.stack([torch.eye(dim, dtype=torch.float64)[0], torch.ones(dim).double()])
    worst = 0.0
    for i, p in enumerate(powers):
        for q in powers[i + 1 :]:
            for left, right in ((x, w), (ends, origin)):
                ratio = norm_distance(p)(left, right) / norm_distance(q)(left, right)
                high = float(ratio.max()) - factor(p, q, dim)
                worst = max(worst, 1 - float(ratio.min()), high)
    return worst


def power_violation(dist: Tensor, exponent: float, divide: bool = True) -> float:
    """How far HarMax of c d^a with exponent n/a is from that of d with n, over some c and a.

    divide: False leaves the exponent n as it is, which is wrong.
    """
    first, worst = hl.harmax(dist, exponent), 0.0
    for c in (0.01, 1.0, 30.0):
        for a in (0.5, 1.0, 2.0, 3.0):
            n = exponent / a if divide else exponent
            worst = max(worst, float((hl.harmax(c * dist**a, n) - first).abs().max()))
    return worst


def matched_violation(dist: Tensor, change: Callable[[Tensor], Tensor], sharpness: float) -> float:
    """How far HarMax of ``change(d)`` is from that of d, each at the same sharpness."""
    changed = change(dist)
    first = hl.harmax(dist, matched_exponent(dist, sharpness))
    return float((hl.harmax(changed, matched_exponent(changed, sharpness)) - first).abs().max())


def cosine_violation(exponent: float, seed: int, ratio: float = 2.0) -> float:
    """How far a cosine head with n is from a Euclidean one with ``ratio`` n on unit vectors."""
    x, w = 3 * normal(30, 7, seed=seed), 0.2 * normal(6, 7, seed=seed + 1)
    cosine = hl.harmax(hl.distance("cosine")(x, w), exponent)
    unit = torch.nn.functional.normalize
    euclid = hl.harmax(hl.distance("euclidean")(unit(x), unit(w)), ratio * exponent)
    return float((cosine - euclid).abs().max())


def binary_violations(
    x: Tensor, w: Tensor, distance: Callable[[str], Pairwise] = hl.distance
) -> dict[str, float]:
    """How far each distance is from what it should be on bits, in terms of Hamming's."""
    differ = x.shape[-1] * hl.distance("hamming", form="hard")(x, w)
    ones = x.sum(-1).unsqueeze(-1) + w.sum(-1)
    expected = {
        "manhattan": differ,
        "euclidean": differ.sqrt(),
        "minkowski": differ ** (1 / 1.5),
        "canberra": differ,
        "chebyshev": (differ > 0).double(),
        "bray_curtis": torch.where(ones > 0, differ / ones, 0.0),
    }
    return {
        name: float((distance(name)(x, w) - value).abs().max()) for name, value in expected.items()
    }
