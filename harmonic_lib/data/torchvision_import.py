"""torchvision beside a torch that it was not built for."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch


def torchvision_datasets() -> ModuleType:
    """``torchvision.datasets``, also where torchvision's compiled operators do not load.

    The published torchvision wheel is built for a CUDA torch. Beside a CPU-only one its
    operators are missing, and the import stops at the first that it looks up. Data sets,
    transforms and models need none of them, so the two that are looked up are declared
    (not defined) and the import is tried again.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    declare_operators()
    return importlib.import_module("torchvision.datasets")


def declare_operators() -> None:
    """Declare the schemas that ``import torchvision`` registers shapes for."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


_library: torch.library.Library | None = None  # the declarations live as long as this does
