"""Where the repository and the files of tests are."""

from __future__ import annotations

from pathlib import Path

FILES = Path(__file__).parent / "files"
ROOT = Path(__file__).parents[1]
