"""What arithmetic over all pairs needs to know of a distance."""

from __future__ import annotations

from torch import Tensor


class Formula:
    """A distance of vectors, and its slopes. A subclass is a frozen dataclass of its options.

    Two that are equal share their compiled kernels. All are symmetric: d(x, w) = d(w, x).
    """

    def __call__(self, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        """d(x, w), then what else the slopes need: (..., D), (..., D) -> each (...)."""
        raise NotImplementedError

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        """The derivatives of d in the coordinates of x and of w, element by element.

        ``found`` is what the formula gave for these pairs. All broadcast, along any axes: there
        is nothing to sum here.
        """
        raise NotImplementedError
