"""How many dimensions a table of embeddings uses, and its picture in the first of them."""

from __future__ import annotations

import torch
from torch import Tensor


def as_table(table: Tensor) -> Tensor:
    """A table apart from its graph, on the CPU, in float64: (V, D), at least two rows.

    Raises:
        ValueError: another shape, or a number that is not finite.
    """
    if table.ndim != 2 or len(table) < 2 or not table.shape[1]:
        raise ValueError(
            f"expected a table (V, D) of at least two rows, got shape {tuple(table.shape)}"
        )
    if not table.isfinite().all():
        raise ValueError(f"the table has {int((~table.isfinite()).sum())} non-finite numbers")
    return table.detach().to("cpu", torch.float64)


def centred(table: Tensor) -> Tensor:
    """The rows less their mean, (V, D); exact zeros where all rows are equal."""
    rows = as_table(table)
    rows = rows - rows[0]  # before the mean, whose rounding would tell equal rows apart
    return rows - rows.mean(0)


def variances(table: Tensor) -> Tensor:
    """The variance along each principal axis, the largest first: (V, D) -> (min(V, D),)."""
    lengths: Tensor = torch.linalg.svdvals(centred(table))
    return lengths.square() / len(table)


def explained_variance(table: Tensor) -> Tensor:
    r"""The share of the variance that the first k principal axes hold: EV_k is ``[k - 1]``.

    :math:`EV_k = \sum_{i \le k} \lambda_i / \sum_i \lambda_i`, cumulative, with the variances
    :math:`\lambda_i` along the principal axes of the mean-centred table; (V, D) ->
    (min(V, D),). It is the first paper's measure (arXiv 2502.01628), which reads k = 2.

    It does not see which row lies where: a shuffled circle, a blob in a plane and a ring in
    order all have EV_2 = 1, and so have embeddings that collapsed onto a line. K tight
    clusters that are equally far from each other need K - 1 axes and have a low EV_2.

    If all rows are equal the result is NaN, not an error: a collapse is an outcome of
    training, which is recorded like the other seeds.

    Raises:
        ValueError: not a (V, D) table of at least two rows of finite numbers.
    """
    running = variances(table).cumsum(0)
    return running / running[-1]


def components_for(table: Tensor, share: float = 0.9) -> int:
    """The least k with EV_k at least ``share``; 0 where all rows are equal.

    The second paper's "PCA 90%" (arXiv 2603.10225) on a table that is not standardised. It is
    blind to the same things as :func:`explained_variance`.

    Raises:
        ValueError: a share that is not between 0 and 1, or no table.
    """
    return count_for(variances(table), share)


def count_for(parts: Tensor, share: float) -> int:
    """How many of the parts, the largest first, hold this share of their sum; 0 if that is 0."""
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share!r}")
    running = parts.sort(descending=True).values.cumsum(0)
    return int((running < share * running[-1]).sum()) + 1 if running[-1] > 0 else 0


def effective_rank(table: Tensor) -> float:
    r"""The exponential of the entropy of the shares of variance, in [1, min(V - 1, D)].

    :math:`\exp(-\sum_i p_i \ln p_i)` with :math:`p_i = \lambda_i / \sum_j \lambda_j`: k where
    k axes hold equal shares and the others none; NaN where all rows are equal. These are
    shares of *variance*, as in the second paper's released vision code. Roy and Vetterli
    (EUSIPCO 2007), who named it, take shares of the *singular values*, the roots of the
    variances: that number is never smaller. Like :func:`explained_variance`, it does not see
    which row lies where.

    Raises:
        ValueError: not a (V, D) table of at least two rows of finite numbers.
    """
    along = variances(table)
    return float(torch.special.entr(along / along.sum()).sum().exp())


def projection(table: Tensor, k: int = 2) -> Tensor:
    """The coordinates along the first k principal axes: (V, D) -> (V, k).

    The largest loading of each axis is positive, as in scikit-learn, so that one table has
    one picture. Where axes hold equal variance, as those of a perfect circle, the picture is
    any rotation in their span, and rounding picks it. It does not show what lies across it:
    see :func:`explained_variance` for how much that is.

    Raises:
        ValueError: no table, or k not between 1 and min(V, D).
    """
    rows = centred(table)
    if not 1 <= k <= min(rows.shape):
        raise ValueError(f"k must lie between 1 and min(V, D) = {min(rows.shape)}, got {k!r}")
    axes: Tensor = torch.linalg.svd(rows, full_matrices=False).Vh[:k]
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return rows @ (axes * largest.sign()).T
