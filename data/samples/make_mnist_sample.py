"""Make the MNIST sample: 6,000 + 1,000 real images, every class in its own share.

    python data/samples/make_mnist_sample.py ROOT

ROOT holds the complete MNIST, in torchvision's layout or flat. Stratified at random with seed 0:
the same input gives the same images. Prints the SHA-256 of the files.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from harmonic_lib.data.idx import read_idx
from harmonic_lib.data.mnist import FILES, find, folder

SIZES = {"train": 6_000, "test": 1_000}


def idx_bytes(values: np.ndarray) -> bytes:
    """An array of bytes as an IDX file, compressed without a time stamp."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes(), mtime=0)


def main() -> None:
    source = Path(sys.argv[1])
    target = folder(Path(__file__).parent)
    target.mkdir(parents=True, exist_ok=True)
    for split, size in SIZES.items():
        paths = find(source, split)
        if None in paths:
            sys.exit(f"MNIST is not in {source}")
        images, labels = read_idx(paths[0], (28, 28)), read_idx(paths[1], ())
        rows, _ = train_test_split(
            np.arange(len(labels)), train_size=size, random_state=0, stratify=labels
        )
        rows.sort()
        for name, values in zip(FILES[split], (images[rows], labels[rows]), strict=True):
            content = idx_bytes(values)
            (target / f"{name}.gz").write_bytes(content)
            print(hashlib.sha256(content).hexdigest(), f"{name}.gz")


if __name__ == "__main__":
    main()
