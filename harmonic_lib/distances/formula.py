"""What arithmetic over all pairs needs to know of a distance."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor


class Formula:
    """A distance of vectors, and its slopes. A subclass is a frozen dataclass of its options.

    Two that are equal share their compiled kernels. All are symmetric: d(x, w) = d(w, x).
    """

    first: ClassVar[Formula | None] = None
    """What has to be known of all coordinates before the sum: a loop of its own. No gradient
    passes through it."""

    needs_from: int = 0
    """The slopes need what the formula gives from here on: 1 where they do not need d."""

    def __call__(self, x: Tensor, w: Tensor, *known: Tensor) -> tuple[Tensor, ...]:
        """d(x, w), then what else the slopes need: (..., D), (..., D) -> each (...).

        ``known`` is what ``first`` gave for these pairs, (...).
        """
        raise NotImplementedError

    def whole(self, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        """The formula, after what has to come first."""
        return self(x, w, *self.first(x.detach(), w.detach())) if self.first else self(x, w)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        """The derivatives of d in the coordinates of x and of w, element by element.

        ``found`` is what the formula gave for these pairs, from ``needs_from`` on. All broadcast,
        along any axes: there is nothing to sum here.
        """
        raise NotImplementedError
