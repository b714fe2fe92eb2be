"""Backbones for images: (N, C, H, W) -> (N, D), the features that a head classifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.torchvision_import import importable, torchvision_part


@dataclass(frozen=True)
class Backbone:
    """How to build it, and D, the width of its features."""

    build: Callable[[], nn.Module]
    width: int


def mlp() -> nn.Module:
    """Two hidden layers, for 28 x 28 gray pixels; as in the vision code of Miller-Golub et al."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU()
    )


def cnn() -> nn.Module:
    """Two convolutions and a hidden layer, for 3 x 32 x 32; as in the same code."""
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 8 * 8, 128), nn.ReLU()),
    )


def resnet18() -> nn.Module:
    """torchvision's, not trained, as it comes: its first layers make 8 x 8 of 32 x 32 pixels."""
    model: nn.Module = torchvision_part("models").resnet18()
    model.fc = nn.Identity()
    return model


class PvtV2B0(nn.Module):
    """transformers' PVT v2 b0, not trained, on 64 x 64 pixels made 32 x 32; its last map's mean."""

    def __init__(self) -> None:
        super().__init__()
        importable()
        from transformers import PvtV2Config, PvtV2Model

        config = PvtV2Config(
            image_size=32,
            hidden_sizes=[32, 64, 160, 256],
            depths=[2, 2, 2, 2],
            num_attention_heads=[1, 2, 5, 8],
            sr_ratios=[8, 4, 2, 1],
            mlp_ratios=[8, 8, 4, 4],
            drop_path_rate=0.0,
        )
        self.model = PvtV2Model(config)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.model(F.avg_pool2d(x, 2)).last_hidden_state.mean((2, 3))
        return features


BACKBONES = {
    "mlp": Backbone(mlp, 256),
    "cnn": Backbone(cnn, 128),
    "resnet18": Backbone(resnet18, 512),
    "pvt_v2_b0": Backbone(PvtV2B0, 256),
}
