"""The IDX file format of MNIST: a magic number, the sizes, then one byte per value."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

UNSIGNED_BYTES = 0x0800  # the magic number, before the number of dimensions is added


def find_idx(folders: Iterable[Path], name: str) -> Path | None:
    """The first file in the folders with that name, plain or ``.gz``, or None.

    ``train-images-idx3-ubyte`` is also found as ``train-images.idx3-ubyte``.
    """
    names = (name, name.replace("-idx", ".idx"))
    paths = [folder / f"{each}{end}" for folder in folders for each in names for end in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def read_idx(path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    """Read N items of ``item_shape`` from an IDX file, plain or ``.gz``: (N, *item_shape), uint8.

    Raises:
        ValueError: the file is damaged; the message says what was expected, what was found and
            what to do.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, "a readable file", str(error)) from error
    ndim = 1 + len(item_shape)
    start = 4 * (1 + ndim)
    if len(content) < start:
        raise damaged(path, f"a header of {start} bytes", f"{len(content)} bytes")
    magic, *sizes = np.frombuffer(content, ">u4", count=1 + ndim).tolist()
    if magic != UNSIGNED_BYTES + ndim:
        raise damaged(path, f"the magic number {UNSIGNED_BYTES + ndim:08x}", f"{magic:08x}")
    if tuple(sizes[1:]) != item_shape or sizes[0] < 1:
        raise damaged(path, f"items of shape {item_shape}", f"sizes {tuple(sizes)}")
    if len(content) != start + math.prod(sizes):
        raise damaged(path, f"{start + math.prod(sizes):,} bytes", f"{len(content):,} bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def damaged(path: Path, expected: str, found: str) -> ValueError:
    """The error for a file that is not what it should be."""
    return ValueError(
        f"{path} is damaged: expected {expected}, found {found}; "
        "remove it and fetch it again (complete=True downloads the data set)"
    )
