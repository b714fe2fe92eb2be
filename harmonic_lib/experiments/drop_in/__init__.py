"""A harmonic head as it comes, in the place of ``nn.Linear``: six networks on real data.

Everything else is the same: the network and its first weights, the data and their order, steps,
optimiser and learning rate, which are those of a usual recipe for the linear head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from harmonic_lib.checks import check_name
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.drop_in.images import classify
from harmonic_lib.experiments.drop_in.setups import SETUPS, SMALL, Config
from harmonic_lib.experiments.drop_in.text import WIDTH, predict
from harmonic_lib.models.images import BACKBONES

NAME = "drop_in"

FAMILIES = (
    *("euclidean", "cosine", "manhattan", "minkowski", "chebyshev", "hamming"),
    *("canberra", "bray_curtis", "mahalanobis"),
)
"""Each in its default form."""

RATES = (3e-4, 3e-3)
DECAYS = (0.0, 0.1)
"""Beside the set-ups' own learning rate and weight decay, of 1e-3 and 0.01."""

SEEDS = {"smoke": (0,), "quick": (0, 1), "full": (0, 1, 2)}


def configs(profile: str) -> list[Config]:
    """The set-ups of a profile with the linear head, then with every family.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    small = replace(SMALL, steps=4) if profile == "smoke" else SMALL
    setups = list(SETUPS.values()) if profile == "full" else [small]
    heads = (None, *FAMILIES) if profile == "full" else (None, *FAMILIES[:2])
    whole = [replace(setup, distance=head) for head in heads for setup in setups]
    return whole + variants() if profile == "full" else whole


def variants() -> list[Config]:
    """Euclid's head with other exponents; other learning rates and weight decays."""
    found = [
        replace(setup, distance="euclidean", exponent=exponent)
        for setup in SETUPS.values()
        for exponent in exponents(setup).values()
    ]
    for head in (None, *FAMILIES[:2]):
        for name in ("MLP, MNIST", "CNN, CIFAR-10", "GPT-2, tied"):
            found += [replace(SETUPS[name], distance=head, lr=rate) for rate in RATES]
        for name in ("MLP, MNIST", "CNN, CIFAR-10"):
            found += [replace(SETUPS[name], distance=head, weight_decay=w) for w in DECAYS]
    return found


def exponents(setup: Config) -> dict[str, float]:
    """Beside the default, 2D: the advice of Baek et al., and for text also half and twice 2D."""
    dim = width(setup)
    found = {"sqrt(D)": math.sqrt(dim)}
    return found | {"D": float(dim), "4D": 4.0 * dim} if setup.network == "gpt2" else found


def width(setup: Config) -> int:
    """D, of the features of a set-up."""
    return WIDTH if setup.network == "gpt2" else BACKBONES[setup.network].width


def claim_of(config: Config) -> str:
    """ "": nobody reported one of these runs."""
    return ""


def run(
    config: Config,
    seeds: Sequence[int],
    root: Path | None = None,
    checkpoint: Path | None = None,
) -> list[Measurement]:
    """Train one head in one network, seed by seed. The checkpoint holds the seeds that are done."""
    done = read(checkpoint)
    measure = predict if config.network == "gpt2" else classify
    for seed in seeds:
        if seed not in done:
            done[seed] = measure(config, seed, root)
            write(checkpoint, done)
    return [done[seed] for seed in seeds]


def read(checkpoint: Path | None) -> dict[int, Measurement]:
    """The measurements in a checkpoint, by seed."""
    if checkpoint is None or not checkpoint.exists():
        return {}
    rows = torch.load(checkpoint, weights_only=True)
    return {row["seed"]: Measurement(**row) for row in rows}


def write(checkpoint: Path | None, done: Mapping[int, Measurement]) -> None:
    """Replace a checkpoint in one step."""
    if checkpoint is not None:
        fresh = checkpoint.with_name(f"{checkpoint.name}.new")
        torch.save([asdict(each) for each in done.values()], fresh)
        fresh.replace(checkpoint)
