"""Where the project's own data lie: in a checkout, or inside an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent

CACHE = Path("~/.cache/harmonic_lib")
"""Where complete data sets are looked for, and downloaded to, unless another folder is given."""


def data_dir() -> Path:
    """The folder of samples, reported numbers and records (``data/`` of the repository).

    Raises:
        FileNotFoundError: the installation carries no data.
    """
    for folder in (PACKAGE / "_data", PACKAGE.parent / "data"):
        if (folder / "samples").is_dir():
            return folder
    raise FileNotFoundError(
        f"the project's data folder is neither {PACKAGE / '_data'} nor {PACKAGE.parent / 'data'}; "
        "install harmonic-lib from its repository"
    )


def benchmarks_dir() -> Path:
    """The folder of measured speeds and memory (``benchmarks/`` of the repository).

    Raises:
        FileNotFoundError: the installation carries no data.
    """
    return data_dir().parent / "benchmarks"
