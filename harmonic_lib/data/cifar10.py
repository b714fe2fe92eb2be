"""CIFAR-10: 50,000 + 10,000 photographs of 32 x 32 pixels in ten classes."""

from __future__ import annotations

from pathlib import Path

import torch

from harmonic_lib.data.folders import files_of, read_images
from harmonic_lib.data.images import LabelledImages
from harmonic_lib.paths import CACHE
from harmonic_lib.torchvision_import import torchvision_part

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

SIZES = {"train": 50_000, "test": 10_000}


def load(split: str, root: Path | None, complete: bool) -> LabelledImages:
    """The set from ``root``: torchvision's ``cifar-10-batches-py``, or ``cifar10``, a copy as JPEG
    files with one folder for each class. With ``complete`` it is downloaded where neither is."""
    root = (CACHE if root is None else root).expanduser()
    copy = root / "cifar10" / split
    if copy.is_dir():
        paths, labels = files_of(copy / name for name in CLASSES)
        return LabelledImages(
            name="CIFAR-10 (JPEG copy)",
            split=split,
            images=read_images(paths, 32),
            labels=labels,
            classes=CLASSES,
            origin="complete" if len(paths) == SIZES[split] else "part",
        )
    try:
        of_torchvision = torchvision_part("datasets").CIFAR10(
            str(root), train=split == "train", download=complete
        )
    except RuntimeError as error:
        raise FileNotFoundError(
            f"CIFAR-10: {root} holds neither cifar-10-batches-py nor {copy}; it has no committed "
            f"sample: give its folder as root, or ask for the download with complete=True ({error})"
        ) from error
    pixels = torch.from_numpy(of_torchvision.data).permute(0, 3, 1, 2)
    labels = torch.tensor(of_torchvision.targets)
    return LabelledImages("CIFAR-10", split, pixels.float() / 255, labels, CLASSES, "complete")
