"""The recipe that all networks share: AdamW, a warm-up, a cosine to zero."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.experiments.drop_in.setups import Config
from harmonic_lib.experiments.heads import harmonic
from harmonic_lib.head import HarmonicHead

Batch = tuple[Tensor, Tensor]


class Network(nn.Module):
    """A body and its head."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy, without logits where the head can do without."""
        if isinstance(self.head, HarmonicHead):
            return self.head.loss(self.body(x), y)
        return F.cross_entropy(self(x).flatten(0, -2), y.flatten())


def head_of(config: Config, width: int, classes: int, shared: nn.Parameter | None) -> nn.Module:
    """The head of a configuration, as it comes. Of text, a linear one has no bias, as in GPT-2."""
    if config.distance is not None:
        return harmonic(
            width, classes, config.distance, config.exponent, config.options, weight=shared
        )
    linear = nn.Linear(width, classes, bias=config.network != "gpt2")
    if config.network == "gpt2":
        nn.init.normal_(linear.weight, std=0.02)
    if shared is not None:
        linear.weight = shared
    return linear


@dataclass(frozen=True)
class Trained:
    """How a training run went."""

    first_loss: float
    last_loss: float
    """The mean of the last 50 steps."""
    seconds: float


def train(network: Network, batches: Iterable[Batch], config: Config) -> Trained:
    """Train in place, one step for each batch."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.ndim > 1]},
        {"params": [p for p in network.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.lr, total_steps=config.steps, pct_start=0.1
    )
    started, losses = time.perf_counter(), []
    network.train()
    for x, y in batches:
        loss = network.loss(x, y)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    each = torch.stack(losses)
    seconds = time.perf_counter() - started
    return Trained(float(each[0]), float(each[-50:].mean()), seconds)


@torch.no_grad()
def spread(network: Network, x: Tensor) -> float:
    """The spread of the logits of ``x``: their deviation over the classes, averaged over rows."""
    logits: Tensor = network(x)
    return float(logits.std(-1, correction=0).mean())
