"""torchvision beside a torch that it was not built for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import torch


def torchvision_part(name: str) -> ModuleType:
    """A part of torchvision, such as "datasets", also where its compiled operators do not load.

    The published torchvision wheel is built for a CUDA torch. Beside a CPU-only one its
    operators are missing, and the import stops at the first that it looks up. Data sets,
    transforms and models need none of them, so the two that are looked up are declared
    (not defined) and the import is tried again.
    """
    try:
        return importlib.import_module(f"torchvision.{name}")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for loaded in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    declare_operators()
    return importlib.import_module(f"torchvision.{name}")


def importable() -> None:
    """Make ``import torchvision`` work from here on, where torchvision is installed."""
    if importlib.util.find_spec("torchvision"):
        torchvision_part("transforms")


def declare_operators() -> None:
    """Declare the schemas that ``import torchvision`` registers shapes for."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


_library: torch.library.Library | None = None  # the declarations live as long as this does
