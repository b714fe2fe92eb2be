"""A small GPT-2 that predicts the next token."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from harmonic_lib.data import openwebtext
from harmonic_lib.device import default_device
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.drop_in.setups import Config
from harmonic_lib.experiments.drop_in.training import Batch, Network, head_of, spread, train
from harmonic_lib.head import HarmonicHead
from harmonic_lib.models.gpt2 import Gpt2

VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS = 8192, 128, 128, 4, 4


def predict(config: Config, seed: int, root: Path | None) -> Measurement:
    """Train a language model; measure the nats for a token of text that it has not seen."""
    device, text = default_device(), words(root)
    torch.manual_seed(seed)
    body = Gpt2(VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS)  # first: the same whatever the head
    head = head_of(config, WIDTH, VOCABULARY, body.embedding if config.tied else None)
    network = Network(body, head).to(device).eval()
    at_first = spread(network, text.validation[:CONTEXT].unsqueeze(0).to(device))
    trained = train(network, batches(config, text.train, seed, device), config)
    metrics = {
        "validation_nats": validated(network, text.validation, device),
        "train_loss": trained.last_loss,
        "first_loss": trained.first_loss,
        "spread_at_start": at_first,
    }
    if isinstance(network.head, HarmonicHead) and network.head.exponent is not None:
        metrics["exponent"] = network.head.exponent
    return Measurement(seed, metrics, {"text": text.digest()}, round(trained.seconds, 3))


@cache
def words(root: Path | None) -> openwebtext.Text:
    return openwebtext.load(root, VOCABULARY)


def batches(config: Config, ids: Tensor, seed: int, device: torch.device) -> Iterator[Batch]:
    """One for each step: stretches of text from places that are drawn from the seed."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(config.steps):
        starts = torch.randint(len(ids) - CONTEXT, (config.batch_size, 1), generator=generator)
        stretch = ids[starts + torch.arange(CONTEXT + 1)].to(device)
        yield stretch[:, :-1], stretch[:, 1:]


@torch.no_grad()
def validated(network: Network, ids: Tensor, device: torch.device) -> float:
    """The mean over all tokens of whole, consecutive contexts."""
    network.eval()
    rows = (len(ids) - 1) // CONTEXT
    x = ids[: rows * CONTEXT].view(rows, CONTEXT)
    y = ids[1 : rows * CONTEXT + 1].view(rows, CONTEXT)
    total = sum(
        float(network.loss(a.to(device), b.to(device))) * len(a)
        for a, b in zip(x.split(64), y.split(64), strict=True)
    )
    return total / rows
