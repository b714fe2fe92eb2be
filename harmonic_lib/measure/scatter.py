"""How tight classes of embeddings are, against how far they lie apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.measure.embedding import as_table, centred


def as_classes(table: Tensor, labels: Tensor) -> Tensor:
    """Which row is in which class, (V, K) of zeros and ones, from (V,) integers of any value.

    Raises:
        ValueError: not one label a row, fewer than two classes, or as many classes as rows.
    """
    if labels.ndim != 1 or len(labels) != len(table) or labels.is_floating_point():
        raise ValueError(
            f"expected an integer label for each of {len(table)} rows,"
            f" got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    member = F.one_hot(labels.cpu().unique(return_inverse=True)[1]).double()
    if not 2 <= member.shape[1] < len(table):
        raise ValueError(
            f"expected at least two classes and one class of two rows,"
            f" got {member.shape[1]} classes of {len(table)} rows"
        )
    return member


def within_over_between(table: Tensor, labels: Tensor) -> float:
    """Mean distance of two rows of one class over that of two rows of different classes.

    Over all pairs of different rows: none is dropped as an outlier, and no row is paired with
    itself, both of which lower the first paper's released measure. 0 where each class is a
    point, 1 on average where labels say nothing, above 1 where they mislead; NaN where all
    rows are equal. (V, D) and (V,) integers.

    It does not see the arrangement of the classes, and large classes weigh most: a class of
    m rows has m (m - 1) / 2 pairs.

    Raises:
        ValueError: no table; not one label a row, fewer than two classes, as many as rows.
    """
    rows, member = as_table(table), as_classes(table, labels)
    first, second = torch.triu_indices(len(rows), len(rows), offset=1)
    dist = (rows[first] - rows[second]).norm(dim=1)
    together = (member[first] * member[second]).sum(1).bool()
    return float(dist[together].mean() / dist[~together].mean())


def within_variance_share(table: Tensor, labels: Tensor) -> float:
    r"""The share of the variance that is within classes, in [0, 1]: tr S_W / tr S_T.

    :math:`\sum_i \lVert x_i - m_{y_i} \rVert^2 / \sum_i \lVert x_i - m \rVert^2` with class
    means :math:`m_y` and the mean m of all. 0 where each class is a point; K classes that say
    nothing give (V - K) / (V - 1) on average, so shares of partitions into different numbers
    of classes do not compare. NaN where all rows are equal. (V, D) and (V,) integers.

    It does not see the arrangement of the classes, nor whether one far class makes up for
    many that overlap.

    Raises:
        ValueError: no table; not one label a row, fewer than two classes, as many as rows.
    """
    rows, member = centred(table), as_classes(table, labels)
    means = (member.T @ rows) / member.sum(0).unsqueeze(1)
    return float((rows - member @ means).square().sum() / rows.square().sum())
