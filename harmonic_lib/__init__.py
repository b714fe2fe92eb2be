"""Harmonic loss for PyTorch: classification heads whose logits are -n log d(x, w_k).

The core needs torch alone. Data, experiments, plots and the book are modules of
their own, loaded when they are first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from harmonic_lib.distances import DISTANCES, Distance, DistanceSpec, distance
from harmonic_lib.distances.engine import engine
from harmonic_lib.harmax import Link, harmax, harmonic_logits, link
from harmonic_lib.head import HarmonicHead
from harmonic_lib.loss.cross_entropy import harmonic_cross_entropy
from harmonic_lib.replace import replace_head

__all__ = [
    "DISTANCES",
    "Distance",
    "DistanceSpec",
    "HarmonicHead",
    "Link",
    "data",
    "distance",
    "engine",
    "evidence",
    "experiments",
    "harmax",
    "harmonic_cross_entropy",
    "harmonic_logits",
    "huggingface",
    "link",
    "plots",
    "released",
    "replace_head",
]
__version__ = "0.1.0"

_ON_FIRST_USE = {"data", "evidence", "experiments", "huggingface", "plots", "released"}


def __getattr__(name: str) -> ModuleType:
    if name in _ON_FIRST_USE:
        return importlib.import_module(f"harmonic_lib.{name}")
    raise AttributeError(f"module 'harmonic_lib' has no attribute {name!r}")
