"""Distances between inputs and class prototypes, one file a family.

To add one: write a :class:`~harmonic_lib.distances.base.Distance` in the file of its
family, decorate it with ``register``, and import that file here.
"""

from harmonic_lib.distances import cosine, minkowski  # noqa: F401  (they register themselves)
from harmonic_lib.distances.base import DISTANCES, Distance, DistanceSpec, distance

__all__ = ["DISTANCES", "Distance", "DistanceSpec", "distance"]
