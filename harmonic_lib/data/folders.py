"""Images in folders, one for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_images(paths: Sequence[Path], side: int) -> Tensor:
    """Images of ``side`` by ``side`` pixels: (N, 3, side, side), float32 in [0, 1].

    Raises:
        ValueError: a file is no image, or of another size; it is named.
    """
    from PIL import Image, UnidentifiedImageError

    pixels = np.empty((len(paths), side, side, 3), np.uint8)
    for n, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                if image.size != (side, side):
                    raise ValueError(f"it has {image.size[0]} x {image.size[1]}")
                pixels[n] = np.asarray(image.convert("RGB"))
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise ValueError(f"{path} is no image of {side} x {side} pixels: {error}") from error
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(torch.float32).div_(255)


def files_of(folders: Iterable[Path]) -> tuple[list[Path], Tensor]:
    """The files of one folder for each class, sorted by name, and their classes.

    Raises:
        FileNotFoundError: a folder is missing or empty.
    """
    paths: list[Path] = []
    labels: list[int] = []
    for k, folder in enumerate(folders):
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [path for path in files if not path.name.startswith(".")]
        if not found:
            raise FileNotFoundError(f"expected the images of a class in {folder}")
        paths += found
        labels += [k] * len(found)
    return paths, torch.tensor(labels)
