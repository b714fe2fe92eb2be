"""Data sets: one loader a data set, one interface for all of them."""

from __future__ import annotations

from pathlib import Path

from harmonic_lib.checks import check_name
from harmonic_lib.data import cifar10, digits, mnist, tiny_imagenet
from harmonic_lib.data.images import LabelledImages

__all__ = ["LabelledImages", "load"]

SPLITS = ("train", "test")
LOADERS = {
    "digits": digits.load,
    "mnist": mnist.load,
    "cifar10": cifar10.load,
    "tiny_imagenet": tiny_imagenet.load,
}


def load(
    name: str, split: str, root: str | Path | None = None, *, complete: bool = False
) -> LabelledImages:
    """Load a data set; the result's ``origin`` says which form of it you got.

    Without ``root`` and ``complete`` nothing outside the project is read: a data set
    that is large comes as its committed sample, or, where it has none, is looked for in
    ``~/.cache/harmonic_lib``. The network is used for ``complete`` alone.

    Args:
        name: "digits" (scikit-learn's, always complete), "mnist", "cifar10" or "tiny_imagenet"; the
            last two have no committed sample.
        split: "train" or "test".
        root: the folder of the complete set; the modules of this package say in which layouts. For
            MNIST torchvision's (``root/MNIST/raw/train-images-idx3-ubyte``, …) or in the folder
            itself; plain or ``.gz``, also named ``train-images.idx3-ubyte``.
        complete: asks for the complete set; it is downloaded by torchvision where
            ``root`` (default: ``~/.cache/harmonic_lib``) does not hold it.

    Raises:
        ValueError: an unknown name or split, or a damaged file (named, with what was
            expected and what to do).
        FileNotFoundError: ``root`` does not hold the data set and ``complete`` is off.
    """
    check_name("data set", name, LOADERS)
    check_name("split", split, SPLITS)
    return LOADERS[name](split, None if root is None else Path(root), complete)
