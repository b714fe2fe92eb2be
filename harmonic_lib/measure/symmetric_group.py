"""What the embedding of a permutation of four things depends on: four kinds of functions."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from harmonic_lib.measure.cosets import PERMUTATIONS, check_rows, cosets, subgroups
from harmonic_lib.measure.embedding import centred

KLEIN, ALTERNATING = (0, 7, 16, 23), tuple(subgroups()[-2])
"""The two normal subgroups that are neither trivial nor all of S_4: V_4 and A_4."""
TWELVE = frozenset(ALTERNATING)
SIGN = torch.tensor([1.0 if g in TWELVE else -1.0 for g in range(24)], dtype=torch.float64)
"""+1 for even permutations, -1 for odd ones."""


@cache
def parts() -> dict[str, Tensor]:
    """Orthonormal bases of four spaces of functions on the 24 permutations, (24, dim) each.

    - parity, 1: multiples of the sign;
    - pairings, 4: functions of the coset of V_4 (which pairing of the four things goes where),
      less what is constant or parity;
    - places, 9: sums of functions of one pair (i, g[i]), less the constants;
    - signed places, 9: these times the sign.

    They are orthogonal to the constants and to each other, and 1 + 4 + 9 + 9 = 23: nothing
    is left. They are the isotypic components of the group algebra, of the irreducible
    representations of dimensions 1, 2, 3 and 3.
    """
    places = [[float(g[i] == j) for i in range(4) for j in range(4)] for g in PERMUTATIONS]
    of_coset = torch.nn.functional.one_hot(cosets(KLEIN, "left")).double()
    standard = basis(torch.tensor(places, dtype=torch.float64))
    return {
        "parity": basis(SIGN.unsqueeze(1)),
        "pairings": basis(of_coset - SIGN.outer(SIGN @ of_coset) / 24),
        "places": standard,
        "signed places": SIGN.unsqueeze(1) * standard,
    }


def basis(functions: Tensor) -> Tensor:
    """An orthonormal basis, (24, rank), of the functions (24, m) less their means."""
    found = torch.linalg.svd(functions - functions.mean(0), full_matrices=False)
    columns: Tensor = found.U[:, found.S > 1e-9]
    return columns


def part_shares(table: Tensor) -> dict[str, float]:
    """The share of the variance of a (24, D) table in each of :func:`parts`; they sum to 1.

    Random rows have 1/23, 4/23, 9/23 and 9/23 on average. 1 less the share of parity is what
    the cosets of A_4 leave within them, 1 less those of parity and pairings is what the cosets
    of V_4 leave: :func:`~harmonic_lib.measure.scatter.within_variance_share`. NaN where all
    rows are equal.

    Raises:
        ValueError: not a (24, D) table of finite numbers.
    """
    check_rows(table)
    rows = centred(table)
    total = rows.square().sum()
    return {
        name: float((columns.T @ rows).square().sum() / total) for name, columns in parts().items()
    }
