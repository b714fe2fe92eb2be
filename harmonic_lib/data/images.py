"""What a loader returns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes:
        name: of the data set, for a reader.
        split: "train" or "test".
        images: (N, C, H, W), float32 in [0, 1].
        labels: (N,), int64 in [0, K).
        classes: the K class names.
        origin: "complete", "sample" where it is the project's committed part of it, or "part"
            where it is what somebody's folder has of it.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    origin: Literal["complete", "sample", "part"]

    def __len__(self) -> int:
        return len(self.labels)

    def describe(self) -> str:
        """One phrase for a figure: name, size, split and origin."""
        part = "committed sample" if self.origin == "sample" else self.origin
        return f"{self.name}, {len(self):,} {self.split} images ({part})"

    def part(self, size: int, seed: int = 0) -> LabelledImages:
        """So many of the images, drawn at random, the same each time."""
        rows = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:size]
        return replace(self, images=self.images[rows], labels=self.labels[rows], origin="part")

    def digest(self) -> str:
        """SHA-256 of pixels and labels, the same whatever file format they came in."""
        content = hashlib.sha256(self.images.contiguous().numpy().tobytes())
        content.update(self.labels.contiguous().numpy().tobytes())
        return content.hexdigest()
