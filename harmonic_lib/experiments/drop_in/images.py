"""Networks that classify images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.data import LabelledImages, load
from harmonic_lib.device import default_device
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.drop_in.setups import Config
from harmonic_lib.experiments.drop_in.training import Batch, Network, head_of, spread, train
from harmonic_lib.head import HarmonicHead
from harmonic_lib.models.images import BACKBONES


def classify(config: Config, seed: int, root: Path | None) -> Measurement:
    """Train a network, and measure how well it classifies test images."""
    device = default_device()
    training, test = data(config, root)
    backbone = BACKBONES[config.network]
    torch.manual_seed(seed)
    body = backbone.build()  # first: the same weights whatever the head
    head = head_of(config, backbone.width, len(training.classes), None)
    network = Network(body, head).to(device).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    at_first = spread(network, ready(test.images[:500], device))
    trained = train(network, batches(config, training, seed, device), config)
    accuracy, nats = tested(network, test, device)
    metrics = {
        "test_accuracy": accuracy,
        "test_nats": nats,
        "train_loss": trained.last_loss,
        "first_loss": trained.first_loss,
        "spread_at_start": at_first,
    }
    if isinstance(network.head, HarmonicHead) and network.head.exponent is not None:
        metrics["exponent"] = network.head.exponent
    digests = {part.split: part.digest() for part in (training, test)}
    return Measurement(seed, metrics, digests, round(trained.seconds, 3))


@cache
def whole(name: str, split: str, root: Path | None, complete: bool) -> LabelledImages:
    return load(name, split, root, complete=complete)


def data(config: Config, root: Path | None) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images; a part of them is the same for all seeds and heads."""
    parts = []
    for split, size in (("train", config.training), ("test", config.test)):
        images = whole(config.data, split, root, config.complete)
        parts.append(images.part(size) if size else images)
    return parts[0], parts[1]


def ready(images: Tensor, device: torch.device) -> Tensor:
    """Pixels in [-1, 1], where the network is."""
    return (images * 2 - 1).to(device, memory_format=torch.channels_last)


def batches(
    config: Config, data: LabelledImages, seed: int, device: torch.device
) -> Iterator[Batch]:
    """One for each step: epochs in an order drawn from the seed, without their last rows."""
    order, rows = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.int64)
    for _ in range(config.steps):
        if len(rows) < config.batch_size:
            rows = torch.randperm(len(data), generator=order)
        now, rows = rows[: config.batch_size], rows[config.batch_size :]
        yield ready(data.images[now], device), data.labels[now].to(device)


@torch.no_grad()
def tested(network: Network, test: LabelledImages, device: torch.device) -> tuple[float, float]:
    """Accuracy and mean cross-entropy, in nats, on the test images."""
    network.eval()
    right = nats = 0.0
    for x, y in zip(test.images.split(500), test.labels.to(device).split(500), strict=True):
        logits = network(ready(x, device))
        right += float((logits.argmax(-1) == y).sum())
        nats += float(F.cross_entropy(logits, y, reduction="sum"))
    return right / len(test), nats / len(test)
