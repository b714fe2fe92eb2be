"""One layer of prototypes on the digits: every form of every distance, the exponent swept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.checks import check_name
from harmonic_lib.data.digits import load
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.heads import forms, harmonic
from harmonic_lib.measure import class_means, prototype_alignment, prototypes
from harmonic_lib.measure.flops import training_flops
from harmonic_lib.measure.sharpness import spread_of_logs
from harmonic_lib.training import accuracy, fit

NAME = "distance_sweep"


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome but the seed. ``options`` build the distance.

    start: where the prototypes begin: "images", a training image of each class, drawn at
        random, as in learning vector quantisation; or "noise", normal with deviation 1/32.
    """

    distance: str
    options: Mapping[str, Any] = field(hash=False)
    exponent: float
    start: str = "images"
    epochs: int = 40
    batch_size: int = 128
    lr: float = 5e-3
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The heads of one configuration, one per seed, and what was measured of each."""

    config: Config
    heads: list[hl.HarmonicHead]
    measurements: list[Measurement]


@dataclass(frozen=True)
class Digits:
    """Pixels in [0, 1], (N, 64), and classes: to train, to choose the exponent, to test."""

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    x_test: Tensor
    y_test: Tensor
    digests: dict[str, str]


SEEDS = {"smoke": (0, 1), "quick": (0, 1), "full": (0, 1, 2, 3, 4)}
EPOCHS = {"smoke": 1, "quick": 10, "full": 40}
STARTS = ("images", "noise")
#: profile -> exponents; sqrt(D) is 8
EXPONENTS = {
    "smoke": (2.0, 32.0),
    "quick": (1.0, 4.0, 16.0, 64.0),
    "full": tuple(2.0**k for k in range(-1, 10)),
}


def config(label: str, exponent: float, profile: str, start: str = "images") -> Config:
    """The configuration of a form, a key of ``heads.forms()``, with an exponent in a profile.

    Raises:
        ValueError: an unknown form, profile or start.
    """
    check_name("form", label, forms())
    check_name("profile", profile, EPOCHS)
    check_name("start", start, STARTS)
    name, options = forms()[label]
    return Config(name, options, exponent, start, epochs=EPOCHS[profile])


def sweep(label: str, profile: str, start: str = "images") -> list[Config]:
    """One form at each exponent of a profile; from noise, at every fourth."""
    exponents = EXPONENTS[profile]
    chosen = exponents if start == "images" else exponents[1::4]
    return [config(label, n, profile, start) for n in chosen]


@cache
def digits() -> Digits:
    """scikit-learn's digits; a fifth of the training images is kept to choose the exponent."""
    from sklearn.model_selection import train_test_split

    train, test = load("train", None, True), load("test", None, True)
    x, y = train.images.flatten(1), train.labels
    rows, kept = train_test_split(range(len(y)), test_size=0.2, random_state=0, stratify=y)
    digests = {"train": train.digest(), "test": test.digest()}
    return Digits(x[rows], y[rows], x[kept], y[kept], test.images.flatten(1), test.labels, digests)


def configs(profile: str) -> list[Config]:
    """Every form at every exponent, from both starts.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, EPOCHS)
    return [c for start in STARTS for label in forms() for c in sweep(label, profile, start)]


def claim_of(config: Config) -> str:
    """ "": nobody reported one of these runs."""
    return ""


def run(
    config: Config,
    seeds: Sequence[int],
    root: Path | None = None,
    checkpoint: Path | None = None,
) -> list[Measurement]:
    """Train one configuration on scikit-learn's digits: seconds, and no checkpoint."""
    return train(config, seeds).measurements


def train(config: Config, seeds: Sequence[int]) -> Outcome:
    """Train one head a seed, all of them as one computation, and measure each."""
    data = digits()
    heads = [build(config, data, seed) for seed in seeds]
    # On images of its own: where the prototypes start at training images, some d would be 0.
    spreads = [
        spread_of_logs(head.eval().distance(data.x_validation, head.weight.detach()))
        for head in heads
    ]
    for head in heads:
        head.train()
    torch.manual_seed(seeds[0])  # for the noise of a distance that has some
    started = time.perf_counter()
    losses = fit(
        heads,
        seeds,
        data.x,
        data.y,
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
    )
    duration = (time.perf_counter() - started) / len(seeds)
    flops = training_flops(heads[0], data.x, data.y, config.epochs)
    means = class_means(data.x, data.y, 10)
    measurements = []
    for s, (seed, head) in enumerate(zip(seeds, heads, strict=True)):
        head.eval()
        metrics = {
            "test_accuracy": accuracy(head, data.x_test, data.y_test),
            "validation_accuracy": accuracy(head, data.x_validation, data.y_validation),
            "train_loss": float(losses[-1, s]),
            "spread_at_start": spreads[s],
            "prototype_alignment": prototype_alignment(prototypes(head), means),
        }
        measurements.append(Measurement(seed, metrics, data.digests, round(duration, 3), flops))
    return Outcome(config, heads, measurements)


def build(config: Config, data: Digits, seed: int) -> hl.HarmonicHead:
    """A head whose prototypes, and nothing else, are drawn from ``seed``."""
    dimension = data.x.shape[1]
    head = harmonic(dimension, 10, config.distance, config.exponent, config.options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        if config.start == "noise":
            head.weight.normal_(std=1 / 32, generator=generator)
        else:
            order = torch.randperm(len(data.y), generator=generator)
            firsts = [order[data.y[order] == k][0] for k in range(10)]
            head.weight.copy_(data.x[torch.stack(firsts)])
    return head
