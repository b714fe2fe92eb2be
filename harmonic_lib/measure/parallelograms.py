"""Whether vectors of analogies a : b = c : d close to parallelograms."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from harmonic_lib.measure.embedding import as_table


def grid_quads(side: int = 5) -> Tensor:
    """The corners (a, b, c, d) of the parallelograms on a square grid, (Q, 4), each once.

    Point ``side * row + column``; all a < b < c with d = b + c - a on the grid, but for those
    in one row or one column. These are the 684 quads of the first paper's released code at
    side 5, of which 10 lie on a diagonal line.
    """
    quads = []
    for a, b, c in combinations(range(side**2), 3):
        rows, columns = zip(*(divmod(point, side) for point in (a, b, c)), strict=True)
        row, column = (one[1] + one[2] - one[0] for one in (rows, columns))
        in_line = len(set(rows)) == 1 or len(set(columns)) == 1
        if 0 <= row < side and 0 <= column < side and not in_line:
            quads.append((a, b, c, side * row + column))
    return torch.tensor(quads, dtype=torch.int64).reshape(-1, 4)


def corners(table: Tensor, quads: Tensor) -> tuple[Tensor, ...]:
    """The vectors a, b, c and d of each quad, (Q, D) each, of (V, D) and (Q, 4) rows of it.

    Raises:
        ValueError: no table, no quads, or a row that the table does not have.
    """
    rows = as_table(table)
    if quads.ndim != 2 or quads.shape[1] != 4 or not len(quads):
        raise ValueError(f"expected quads of shape (Q, 4), got {tuple(quads.shape)}")
    if quads.is_floating_point() or quads.min() < 0 or quads.max() >= len(rows):
        raise ValueError(f"expected quads of row numbers 0 … {len(rows) - 1}, got {quads}")
    return rows[quads.cpu()].unbind(1)


def parallelogram_error(table: Tensor, quads: Tensor) -> float:
    r"""How far the quads are from closing, relative to their sides, in [0, 2].

    The mean over quads of :math:`\lVert a + d - b - c \rVert / r`, where r is the root mean
    square of the quad's own sides ab, bd, dc, ca. 0 for an affine image of a grid; four
    independent points give about :math:`\sqrt 2`. Each quad has its own scale, because a
    common one (the spread of the table) grows with a single far row, which would lower the
    error of all others; so a far row can only bring the quads that it is in to
    :math:`\sqrt 2`. NaN where the corners of a quad coincide: it has no shape.

    It does not see the angles, nor that sides differ in length, nor that all lies on a line.

    Raises:
        ValueError: no table, no quads, or a row that the table does not have.
    """
    a, b, c, d = corners(table, quads)
    sides = torch.stack([a - b, b - d, d - c, c - a])
    scale = sides.square().sum(-1).mean(0).sqrt()
    return float(((a + d - b - c).norm(dim=1) / scale).mean())


def side_error(table: Tensor, quads: Tensor) -> float:
    r"""The first paper's released measure of a lattice, for the audit: 0 is meant to be perfect.

    The mean over quads of :math:`\sqrt{(|ab| - |cd|)^2 + (|ac| - |bd|)^2} \,/\,
    \sqrt{(|ab|^2 + |bc|^2 + |cd|^2 + |ad|^2) / 2}`.

    It compares lengths only: a quad bent out of its plane, or crossed over itself, scores 0
    although its sides are not parallel; and it divides by two sides and the two diagonals.

    Raises:
        ValueError: no table, no quads, or a row that the table does not have.
    """
    a, b, c, d = corners(table, quads)
    sides_and_diagonals = (a - b, c - d, a - c, b - d, b - c, a - d)
    ab, cd, ac, bd, bc, ad = (vector.norm(dim=1) for vector in sides_and_diagonals)
    unequal = ((ab - cd).square() + (ac - bd).square()).sqrt()
    return float((unequal / ((ab**2 + bc**2 + cd**2 + ad**2) / 2).sqrt()).mean())
