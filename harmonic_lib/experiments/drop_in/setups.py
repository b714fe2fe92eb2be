"""The six networks, what they are trained on, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome but the seed.

    distance: None for ``nn.Linear``. ``options`` build the distance.
    exponent: None for the head's default.
    training, test: so many images of the data set, 0 for all.
    """

    network: str
    data: str
    distance: str | None = None
    options: Mapping[str, Any] = field(hash=False, default_factory=dict)
    exponent: float | None = None
    tied: bool = False
    complete: bool = True
    training: int = 0
    test: int = 0
    steps: int = 300
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.01


SETUPS = {
    "MLP, MNIST": Config("mlp", "mnist", steps=2340),
    "CNN, CIFAR-10": Config("cnn", "cifar10", steps=1170),
    "ResNet-18, CIFAR-10": Config("resnet18", "cifar10", training=10_000, test=5_000, steps=390),
    "PVT v2, Tiny ImageNet": Config("pvt_v2_b0", "tiny_imagenet", steps=780, batch_size=64),
    "GPT-2, tied": Config("gpt2", "openwebtext", tied=True, batch_size=16),
    "GPT-2, untied": Config("gpt2", "openwebtext", batch_size=16),
}
"""With the linear head."""

SMALL = Config("mlp", "mnist", complete=False, steps=240)
"""What a chapter can run: a tenth of MNIST, which comes with the project."""
