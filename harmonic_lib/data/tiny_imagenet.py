"""Tiny ImageNet: 200 classes of 500 + 50 photographs of 64 x 64 pixels, or a part of them."""

from __future__ import annotations

from pathlib import Path

import torch

from harmonic_lib.data.folders import files_of, read_images
from harmonic_lib.data.images import LabelledImages
from harmonic_lib.paths import CACHE

SIZES = {"train": 100_000, "test": 10_000}


def load(split: str, root: Path | None, complete: bool) -> LabelledImages:
    """The set from ``root/tiny-imagenet-200``, in the layout of its archive, with as many images as
    are there. "test" is its validation set: the labels of its test set were not published."""
    folder = (CACHE if root is None else root).expanduser() / "tiny-imagenet-200"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"Tiny ImageNet: no {folder}. It has no committed sample and no download that may be "
            "repeated: unpack http://cs231n.stanford.edu/tiny-imagenet-200.zip there"
        )
    classes = tuple((folder / "wnids.txt").read_text(encoding="utf-8").split())
    if split == "train":
        paths, labels = files_of(folder / "train" / name / "images" for name in classes)
    else:
        listed = folder / "val" / "val_annotations.txt"
        paths, known = [], []
        for line in listed.read_text(encoding="utf-8").split("\n"):
            file, _, rest = line.partition("\t")
            name = rest.partition("\t")[0]
            if line.strip() and name not in classes:
                raise ValueError(
                    f"{listed}: expected a file and a class in each line, got {line!r}"
                )
            if line.strip() and (folder / "val" / "images" / file).exists():
                paths.append(folder / "val" / "images" / file)
                known.append(classes.index(name))
        labels = torch.tensor(known, dtype=torch.int64)
    return LabelledImages(
        name="Tiny ImageNet",
        split=split,
        images=read_images(paths, 64),
        labels=labels,
        classes=classes,
        origin="complete" if len(paths) == SIZES[split] else "part",
    )
