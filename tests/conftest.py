"""What tests share: one thread, no randomness between runs, the style of figures, MNIST files."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import settings

from harmonic_lib import plots

torch.set_num_threads(1)
settings.register_profile("same every time", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("same every time")

MnistFiles = dict[str, tuple[np.ndarray, np.ndarray]]
MNIST_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

#: has no doctests; two of the same name could not be imported side by side
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def style() -> Iterator[None]:
    """The book's style, without a screen; everything closed and undone afterwards."""
    mpl.use("Agg")
    with mpl.rc_context():
        plots.style()
        yield
        plt.close("all")


@pytest.fixture(scope="session")
def idx() -> Callable[[np.ndarray], bytes]:
    """An array of bytes in the IDX format, written from its specification."""

    def encode(values: np.ndarray) -> bytes:
        head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        return head + values.astype(np.uint8).tobytes()

    return encode


@pytest.fixture
def write_mnist(
    idx: Callable[[np.ndarray], bytes], rng: np.random.Generator
) -> Callable[..., MnistFiles]:
    """Write random images in torchvision's layout of MNIST; returns the arrays, by split."""

    def write(
        root: Path, *, train: int = 20, test: int = 10, compressed: bool = False
    ) -> MnistFiles:
        folder = root / "MNIST" / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        written: MnistFiles = {}
        for split, size in (("train", train), ("test", test)):
            images = rng.integers(0, 256, (size, 28, 28), dtype=np.uint8)
            labels = rng.permutation(np.arange(size) % 10).astype(np.uint8)
            written[split] = images, labels
            for name, values in zip(MNIST_NAMES[split], written[split], strict=True):
                if compressed:
                    (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
                else:
                    (folder / name).write_bytes(idx(values))
        return written

    return write
