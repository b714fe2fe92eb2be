"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels, or a sample of them."""

from __future__ import annotations

from pathlib import Path

import torch

from harmonic_lib.data.idx import find_idx, read_idx
from harmonic_lib.data.images import LabelledImages
from harmonic_lib.data.torchvision_import import torchvision_datasets
from harmonic_lib.paths import data_dir

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CACHE = Path("~/.cache/harmonic_lib")


def load(split: str, root: Path | None, complete: bool) -> LabelledImages:
    """The complete set from ``root``, downloaded if asked for; else the sample."""
    if root is None and not complete:
        return read(data_dir() / "samples", split, "sample")
    root = (CACHE if root is None else root).expanduser()
    missing = [name for name in FILES[split] if find_idx(folder(root), name) is None]
    if missing and complete:
        download(root, split)
    elif missing:
        raise FileNotFoundError(
            f"MNIST: no {' and no '.join(missing)} (plain or .gz) in {folder(root)}; put the "
            "files there, ask for the download with complete=True, or leave root out for the "
            "committed sample"
        )
    return read(root, split, "complete")


def download(root: Path, split: str) -> None:
    """Let torchvision fetch, check and unpack the files into ``root``."""
    try:
        torchvision_datasets().MNIST(str(root), train=split == "train", download=True)
    except (RuntimeError, ConnectionError, TimeoutError) as error:
        raise ConnectionError(
            f"MNIST could not be downloaded to {root}: {str(error).strip()}\nPut the files into "
            f"{folder(root)} by hand, or leave out complete=True for the committed sample"
        ) from error


def folder(root: Path) -> Path:
    """torchvision's place for the files under ``root``."""
    return root / "MNIST" / "raw"


def read(root: Path, split: str, origin: str) -> LabelledImages:
    """Read and check one split.

    Raises:
        ValueError: a file is damaged, or the two files of the split do not belong together.
    """
    images_path, labels_path = (find_idx(folder(root), name) for name in FILES[split])
    if images_path is None or labels_path is None:
        raise FileNotFoundError(f"MNIST: {' and '.join(FILES[split])} expected in {folder(root)}")
    pixels = read_idx(images_path, (28, 28))
    labels = read_idx(labels_path, ())
    if len(pixels) != len(labels) or labels.max() > 9:
        raise ValueError(
            f"{images_path} holds {len(pixels)} images, {labels_path} {len(labels)} labels up to "
            f"{int(labels.max())}: expected as many of each, and classes 0 to 9; remove both and "
            "load again with complete=True"
        )
    return LabelledImages(
        name="MNIST",
        split=split,
        images=pixels.unsqueeze(1).to(torch.float32) / 255,
        labels=labels.to(torch.int64),
        classes=tuple("0123456789"),
        origin="sample" if origin == "sample" else "complete",
    )
