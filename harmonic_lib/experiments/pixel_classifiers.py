"""One layer from pixels to classes: cross-entropy and harmonic heads on MNIST and digits.

Source of the protocol: the weight visualisation released with Miller-Golub et al. 2026:
pixels in [0, 1], AdamW with learning rate 1e-3 and weight decay 0.01, batches of 64, 10
epochs, weights from a normal distribution of deviation 1/32, exponent 28 on what each
layer calls its distance. Their Euclidean layer takes the square: 56 on the distance.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from harmonic_lib.checks import check_name
from harmonic_lib.data import LabelledImages, load
from harmonic_lib.device import default_device
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.heads import harmonic
from harmonic_lib.measure import class_means, prototype_alignment, prototypes
from harmonic_lib.measure.flops import training_flops
from harmonic_lib.training import accuracy, fit

NAME = "pixel_classifiers"


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome but the seed. ``exponent`` None: cross-entropy."""

    dataset: str
    complete: bool
    distance: str | None
    exponent: float | None
    epochs: int
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.01
    init_std: float = 1 / 32


@dataclass(frozen=True)
class Outcome:
    """The heads of one configuration, one per seed, and what was measured of each."""

    config: Config
    heads: list[nn.Module]
    measurements: list[Measurement]

    @property
    def accuracies(self) -> list[float]:
        return [each.metrics["test_accuracy"] for each in self.measurements]


#: head -> (distance, exponent on the distance, claim in data/reported)
HEADS: dict[str, tuple[str | None, float | None, str]] = {
    "cross-entropy": (None, None, "mnist-pixel-cross-entropy"),
    "euclidean": ("euclidean", 56.0, "mnist-pixel-euclidean"),
    "manhattan": ("manhattan", 28.0, "mnist-pixel-manhattan"),
    "cosine": ("cosine", 28.0, "mnist-pixel-cosine"),
}
SEEDS = {"smoke": (0, 1), "quick": (0, 1, 2), "full": (0, 1, 2)}
EPOCHS = {"smoke": 1, "quick": 5, "full": 10}
#: profile -> exponents on the Euclidean distance; sqrt(D) is 8 for the digits, 28 for MNIST
EXPONENTS = {
    "smoke": (1.0, 8.0, 64.0),
    "quick": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
    "full": (1.0, 4.0, 14.0, 28.0, 56.0, 112.0, 224.0, 784.0),
}


def config(head: str, profile: str) -> Config:
    """The configuration of a head in a profile.

    Raises:
        ValueError: an unknown head or profile.
    """
    check_name("head", head, HEADS)
    check_name("profile", profile, EPOCHS)
    distance, exponent, _ = HEADS[head]
    # quick sees a tenth of the images half as often: a larger step makes up for part of it
    lr = 1e-3 if profile == "full" else 4e-3
    return Config("mnist", profile == "full", distance, exponent, EPOCHS[profile], lr=lr)


def sweep(profile: str) -> list[Config]:
    """The Euclidean head at each exponent: on the digits, or at ``full`` on all of MNIST."""
    base = config("euclidean", profile)
    if profile != "full":
        epochs = 2 if profile == "smoke" else 40
        base = replace(
            base, dataset="digits", complete=True, epochs=epochs, batch_size=128, lr=5e-3
        )
    return [replace(base, exponent=n) for n in EXPONENTS[profile]]


def controls(profile: str) -> dict[str, Config]:
    """The cosine head with first weights of other deviations than 1/32, by name.

    Its reported accuracy is the one that does not come out. It ignores how long a
    prototype is, and the longer one is, the less a step turns it: so the scale of the
    first weights could matter. A comment in the released script says that it was 1/28.
    """
    cosine = config("cosine", profile)
    deviations = {"1/28": 1 / 28, "sqrt(1/32)": 32**-0.5}
    return {name: replace(cosine, init_std=std) for name, std in deviations.items()}


def data(config: Config, root: Path | None = None) -> tuple[LabelledImages, LabelledImages]:
    """The training and the test set of a configuration."""
    return (
        load(config.dataset, "train", root, complete=config.complete),
        load(config.dataset, "test", root, complete=config.complete),
    )


def configs(profile: str) -> list[Config]:
    """The heads, the sweep and the controls of a profile."""
    heads = [config(head, profile) for head in HEADS]
    return list(dict.fromkeys([*heads, *sweep(profile), *controls(profile).values()]))


def run(
    config: Config,
    seeds: Sequence[int],
    root: Path | None = None,
    checkpoint: Path | None = None,
) -> list[Measurement]:
    """Train one configuration; ``root``: where the complete MNIST is. It keeps no checkpoint."""
    return train(config, seeds, *data(config, root)).measurements


def train(
    config: Config, seeds: Sequence[int], train_set: LabelledImages, test_set: LabelledImages
) -> Outcome:
    """Train one head a seed, all of them as one computation, and measure each.

    On the accelerator if there is one; the heads come back on the CPU.
    """
    device = default_device()
    x, y = train_set.images.flatten(1).to(device), train_set.labels.to(device)
    x_test, y_test = test_set.images.flatten(1).to(device), test_set.labels.to(device)
    heads = [build(config, x.shape[1], len(train_set.classes), seed).to(device) for seed in seeds]
    started = time.perf_counter()
    losses = fit(
        heads,
        seeds,
        x,
        y,
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
    )
    duration = (time.perf_counter() - started) / len(seeds)
    digests = {part.split: part.digest() for part in (train_set, test_set)}
    flops = training_flops(heads[0], x, y, config.epochs)
    means = class_means(x, y, len(train_set.classes))
    measurements = [
        Measurement(
            seed=seed,
            metrics={
                "test_accuracy": accuracy(head, x_test, y_test),
                "train_loss": float(losses[-1, s]),
                "prototype_alignment": prototype_alignment(prototypes(head), means),
            },
            data=digests,
            duration_s=round(duration, 3),
            flops=flops,
        )
        for s, (seed, head) in enumerate(zip(seeds, heads, strict=True))
    ]
    return Outcome(config, [head.cpu() for head in heads], measurements)


def claim_of(chosen: Config) -> str:
    """The reported number that this configuration reproduces, or ""."""
    return next((HEADS[head][2] for head in HEADS if config(head, "full") == chosen), "")


def build(config: Config, in_features: int, num_classes: int, seed: int) -> nn.Module:
    """One head with weights drawn from ``seed``: the same draw for every kind of head."""
    head: nn.Module
    if config.distance is None:
        head = nn.Linear(in_features, num_classes)
        nn.init.zeros_(head.bias)
    else:
        head = harmonic(in_features, num_classes, config.distance, config.exponent)
    generator = torch.Generator().manual_seed(seed)
    nn.init.normal_(prototypes(head), std=config.init_std, generator=generator)
    return head
