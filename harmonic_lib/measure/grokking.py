"""When a run fits and when it generalises, and on which test items."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def stays_above(accuracy: Tensor, level: float = 0.9, epochs: int = 20) -> Tensor:
    """The first epoch, counted from 1, from which accuracy stays above ``level`` for ``epochs``.

    The least e with accuracy > level in each of the epochs e … e + epochs - 1, as in the
    first paper's grokking figure: (E,) -> (), or (E, S) of S seeds -> (S,), in float64.

    NaN if there is none in these E epochs. Such a seed is censored at E, not missing: show it
    at the border of a figure and count it as infinity in a median. A run that falls back after
    those ``epochs`` keeps its epoch; a run that rises within the last ``epochs`` - 1 epochs has
    none.

    Raises:
        ValueError: a shape other than (E,) and (E, S), or ``epochs`` below 1.
    """
    if accuracy.ndim not in (1, 2) or not accuracy.numel():
        raise ValueError(f"expected accuracies (E,) or (E, S), got shape {tuple(accuracy.shape)}")
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs!r}")
    never = torch.full(accuracy.shape[1:], torch.nan, dtype=torch.float64, device=accuracy.device)
    if len(accuracy) < epochs:
        return never
    held = (accuracy > level).unfold(0, epochs, 1).all(-1)
    return torch.where(held.any(0), held.int().argmax(0).double() + 1, never)


def grokking_gap(train: Tensor, test: Tensor, level: float = 0.9, epochs: int = 20) -> Tensor:
    """Epochs between fitting and generalising: :func:`stays_above` of test less that of train.

    Accuracies (E,) -> (), or (E, S) -> (S,). NaN if either is never reached. It is near 0 if
    fitting and generalising coincide, however late both are, and test items that are also in
    the training set make it smaller: see :func:`seen_and_unseen`.

    Raises:
        ValueError: two shapes, or a shape other than (E,) and (E, S).
    """
    if train.shape != test.shape:
        raise ValueError(
            "expected as many accuracies on both sets,"
            f" got shapes {tuple(train.shape)} and {tuple(test.shape)}"
        )
    return stays_above(test, level, epochs) - stays_above(train, level, epochs)


class Leak(NamedTuple):
    """Accuracy on the two kinds of test items, (...), and the share of the first kind."""

    seen: Tensor
    unseen: Tensor
    share: float


def seen_and_unseen(hits: Tensor, x_test: Tensor, x_train: Tensor) -> Leak:
    """Accuracy on the test items that are also in the training set, and on the others.

    Args:
        hits: (..., N), whether each test item was answered correctly, of one run or of many
            that share these items.
        x_test: (N, k) test items. An item that occurs twice counts twice, as in accuracy.
        x_train: (M, k) training items.

    Returns:
        Accuracy on seen and on unseen items in float64, NaN where there is no such item, and
        the share of test items that are seen. Only equal inputs are seen: (b, a) is new where
        training had (a, b), although a sum that commutes gives the answer away.

    Raises:
        ValueError: shapes that do not fit.
    """
    if (
        x_test.ndim != 2
        or x_train.ndim != 2
        or x_test.shape[1] != x_train.shape[1]
        or not hits.ndim
        or hits.shape[-1] != len(x_test)
        or not len(x_test)
    ):
        raise ValueError(
            "expected hits (..., N), test items (N, k) and training items (M, k),"
            f" got {tuple(hits.shape)}, {tuple(x_test.shape)} and {tuple(x_train.shape)}"
        )
    _, code = torch.cat([x_train, x_test]).unique(dim=0, return_inverse=True)
    seen = torch.isin(code[len(x_train) :], code[: len(x_train)])
    right = hits.double()
    return Leak(right[..., seen].mean(-1), right[..., ~seen].mean(-1), float(seen.double().mean()))
