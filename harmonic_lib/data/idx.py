"""The IDX file format of MNIST: a magic number, the sizes, then one byte a value."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

UNSIGNED_BYTE = 8


def find_idx(folder: Path, name: str) -> Path | None:
    """The file ``name`` in ``folder``, plain or compressed, or None."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_idx(path: Path, item_shape: tuple[int, ...]) -> Tensor:
    """Read an IDX file, plain or ``.gz``, of N items of ``item_shape``: (N, *item_shape), uint8.

    Raises:
        ValueError: the file is not what its name promises; the message says what was
            expected, what was found and what to do.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, "a readable file", str(error)) from error
    ndim = 1 + len(item_shape)
    header = 4 * (1 + ndim)
    magic = bytes((0, 0, UNSIGNED_BYTE, ndim))
    if content[:4] != magic:
        raise damaged(path, f"a file that begins with {magic.hex()}", content[:4].hex() or "none")
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4)]
    if tuple(sizes[1:]) != item_shape or sizes[0] < 1:
        raise damaged(path, f"items of shape {item_shape}", f"sizes {tuple(sizes)}")
    if len(content) != header + math.prod(sizes):
        raise damaged(path, f"{header + math.prod(sizes):,} bytes", f"{len(content):,} bytes")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(sizes)


def damaged(path: Path, expected: str, found: str) -> ValueError:
    """The error for a file that is not what it should be."""
    return ValueError(
        f"{path} is damaged: expected {expected}, found {found}; "
        "remove it and fetch it again (complete=True downloads the data set)"
    )
