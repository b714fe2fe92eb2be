"""Distances between inputs and class prototypes, one file a family.

To add one: write its facts in ``facts.ini`` and a subclass of
:class:`~harmonic_lib.distances.base.Distance` in a file of its own, and list it here.
"""

from harmonic_lib.checks import check_name, check_options
from harmonic_lib.distances.base import DISTANCES, Distance, DistanceSpec
from harmonic_lib.distances.bray_curtis import BrayCurtis
from harmonic_lib.distances.canberra import Canberra
from harmonic_lib.distances.chebyshev import Chebyshev
from harmonic_lib.distances.cosine import Cosine
from harmonic_lib.distances.euclidean import Euclidean
from harmonic_lib.distances.hamming import Hamming
from harmonic_lib.distances.mahalanobis import Mahalanobis
from harmonic_lib.distances.manhattan import Manhattan
from harmonic_lib.distances.minkowski import Minkowski

__all__ = ["DISTANCES", "Distance", "DistanceSpec", "as_distance", "distance"]

CLASSES: dict[str, type[Distance]] = {
    "euclidean": Euclidean,
    "manhattan": Manhattan,
    "minkowski": Minkowski,
    "chebyshev": Chebyshev,
    "cosine": Cosine,
    "hamming": Hamming,
    "canberra": Canberra,
    "bray_curtis": BrayCurtis,
    "mahalanobis": Mahalanobis,
}


def distance(name: str, **options: object) -> Distance:
    """Build a distance by name.

    >>> import torch
    >>> d = distance("manhattan")
    >>> d(torch.tensor([0.0, 0.0]), torch.tensor([[3.0, 4.0], [1.0, 0.0]]))
    tensor([7., 1.])

    Args:
        name: a key of ``harmonic_lib.DISTANCES``.
        options: the constructor options of that distance.

    Raises:
        ValueError: no distance has that name, or an option has a value that it cannot have.
        TypeError: the distance has no such option, or needs one that is missing.
    """
    check_name("distance", name, CLASSES)
    check_options(name, CLASSES[name], options)
    return CLASSES[name](**options)


def as_distance(given: str | Distance, in_features: int, **options: object) -> Distance:
    """The distance that was named, of vectors of this width, or the one that was given."""
    if isinstance(given, Distance):
        if getattr(given, "dim", in_features) != in_features:
            raise ValueError(f"expected a distance of width {in_features}, got {given}")
        return given
    if not isinstance(given, str):
        raise TypeError(f"distance must be a name or a Distance, got {type(given).__name__}")
    if given in DISTANCES and DISTANCES[given].learns:
        options = {"dim": in_features} | options
    return distance(given, **options)
