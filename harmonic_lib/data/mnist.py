"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels, or a sample of them."""

from __future__ import annotations

from pathlib import Path

import torch

from harmonic_lib.data.idx import find_idx, read_idx
from harmonic_lib.data.images import LabelledImages
from harmonic_lib.paths import CACHE, data_dir
from harmonic_lib.torchvision_import import torchvision_part

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def load(split: str, root: Path | None, complete: bool) -> LabelledImages:
    """The complete set from ``root``, downloaded if asked for; else the sample."""
    if root is None and not complete:
        return read(data_dir() / "samples", split, "sample")
    root = (CACHE if root is None else root).expanduser()
    if complete and None in find(root, split):
        download(root, split)
    return read(root, split, "complete")


def download(root: Path, split: str) -> None:
    """Let torchvision fetch, check and unpack the files into ``root``."""
    try:
        torchvision_part("datasets").MNIST(str(root), train=split == "train", download=True)
    except (RuntimeError, ConnectionError, TimeoutError) as error:
        raise ConnectionError(
            f"MNIST could not be downloaded to {root}: {str(error).strip()}\nPut the files into "
            f"{folder(root)} by hand, or leave out complete=True for the committed sample"
        ) from error


def folder(root: Path) -> Path:
    """torchvision's place for the files under ``root``."""
    return root / "MNIST" / "raw"


def find(root: Path, split: str) -> list[Path | None]:
    """The files of images and of labels, in torchvision's place or in ``root`` itself."""
    return [find_idx((folder(root), root), name) for name in FILES[split]]


def missing(root: Path, split: str) -> FileNotFoundError:
    """The error for files that are not there."""
    files = zip(FILES[split], find(root, split), strict=True)
    names = " and no ".join(name for name, path in files if path is None)
    return FileNotFoundError(
        f"MNIST: no {names} (plain or .gz, also with .idx for -idx) in {folder(root)} or {root}. "
        f"{contents(root)}; {contents(folder(root))}. Put the files there, ask for the download "
        "with complete=True, or leave root out for the committed sample"
    )


def contents(folder: Path, most: int = 8) -> str:
    """What a folder holds, in words."""
    if not folder.is_dir():
        return f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist"
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{folder} holds {', '.join(names[:most]) or 'nothing'}{more}"


def read(root: Path, split: str, origin: str) -> LabelledImages:
    """Read and check one split.

    Raises:
        FileNotFoundError: a file is missing; the message says what the folders hold.
        ValueError: a file is damaged, or the two files of the split do not belong together.
    """
    images_path, labels_path = find(root, split)
    if images_path is None or labels_path is None:
        raise missing(root, split)
    pixels = torch.tensor(read_idx(images_path, (28, 28)))
    labels = torch.tensor(read_idx(labels_path, ()))
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
