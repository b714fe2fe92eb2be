"""Perfect rings: what explained variance and ring score must say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.rings import frequency_shares, ring_score

Measure = Callable[[Tensor], float]


def rings(p: int, radii: dict[int, float], dim: int = 16, seed: int = 0) -> Tensor:
    r"""Some rings at once, (p, dim), each in a plane of its own.

    Residue a is at :math:`\sum_f r_f (u_f \cos(2 \pi f a / p) + v_f \sin(2 \pi f a / p))`,
    with random orthonormal u and v, and a random centre added.

    Args:
        p: how many residues.
        radii: by frequency, r.

    Raises:
        ValueError: two dimensions a frequency are more than ``dim``.
    """
    if 2 * len(radii) > dim:
        raise ValueError(f"{len(radii)} rings need {2 * len(radii)} dimensions, got {dim}")
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(dim, dim + 1, dtype=torch.float64, generator=generator)
    planes = torch.linalg.qr(square[:, :dim]).Q.T.unflatten(0, (-1, 2))
    table = square[:, dim].expand(p, dim)
    for (frequency, radius), plane in zip(radii.items(), planes, strict=False):
        angle = 2 * torch.pi * frequency * torch.arange(p, dtype=torch.float64) / p
        table = table + radius * torch.stack([angle.cos(), angle.sin()], 1) @ plane
    return table


def ev_2(table: Tensor) -> float:
    """The variance in the first two principal axes, as a share."""
    return float(explained_variance(table)[1])


def ring_violation(
    p: int = 31, ev: Measure = ev_2, score: Measure = ring_score, dim: int = 16
) -> float:
    """How far EV_2 or the ring score of a perfect ring is from 1, at worst over frequencies."""
    tables = [rings(p, {f: 0.5 + f}, dim, seed=f) for f in range(1, p // 2 + 1)]
    return max(abs(measure(table) - 1) for table in tables for measure in (ev, score))


def torus_violation(
    radii: Sequence[float] = (1.0, 1.0),
    p: int = 31,
    ev: Measure = ev_2,
    score: Measure = ring_score,
) -> float:
    r"""How far the shares of several rings are from :math:`r_f^2 / \sum_g r_g^2`, at worst.

    Over all sets of neighbouring frequencies: the share of each, and the largest of them as
    EV_2 and as ring score.
    """
    squares = torch.tensor(radii, dtype=torch.float64).square()
    wanted = squares / squares.sum()
    top, worst = float(wanted.max()), 0.0
    for first in range(1, p // 2 + 2 - len(radii)):
        table = rings(p, {first + k: r for k, r in enumerate(radii)}, seed=first)
        shares = frequency_shares(table)[first - 1 : first - 1 + len(radii)]
        parts = (float((shares - wanted).abs().max()), ev(table) - top, score(table) - top)
        worst = max(worst, *map(abs, parts))
    return worst
