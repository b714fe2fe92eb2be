"""The six networks at their smallest, and what keeps the comparison fair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import harmonic_lib as hl
from harmonic_lib.data.images import LabelledImages
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments import drop_in
from harmonic_lib.experiments.drop_in import images, text
from harmonic_lib.experiments.drop_in.setups import SETUPS, SMALL, Config
from harmonic_lib.experiments.drop_in.training import Network, head_of
from harmonic_lib.models.images import BACKBONES

SIDES = {"mnist": (1, 28), "cifar10": (3, 32), "tiny_imagenet": (3, 64)}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Noise in the place of every data set, and a text of few tokens."""

    def noise(name: str, split: str, root: object, complete: bool) -> LabelledImages:
        channels, side = SIDES[name]
        pixels = torch.rand(40, channels, side, side)
        labels = torch.arange(40) % 10
        return LabelledImages(name, split, pixels, labels, tuple("0123456789"), "complete")

    monkeypatch.setattr(images, "whole", noise)
    (tmp_path / "openwebtext").mkdir()
    ids = np.random.default_rng(0).integers(50257, size=4000)
    ids.astype("<u2").tofile(tmp_path / "openwebtext" / "val.bin")
    text.words.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("setup", "distance"),
    [("MLP, MNIST", None), ("GPT-2, tied", None), *((setup, "euclidean") for setup in SETUPS)],
)
def test_every_setup_trains(setup: str, distance: str | None, tiny: Path) -> None:
    few = {"steps": 3, "batch_size": 2, "training": 0, "test": 0}
    config = replace(SETUPS[setup], distance=distance, **few)
    (measured,) = drop_in.run(config, [5], tiny)
    wanted = "validation_nats" if "GPT" in setup else "test_accuracy"
    assert {wanted, "train_loss", "first_loss", "spread_at_start"} <= measured.metrics.keys()
    assert all(np.isfinite(value) for value in measured.metrics.values())
    assert ("exponent" in measured.metrics) == (distance is not None)
    assert measured.seed == 5


def test_training_lowers_the_loss_and_finds_the_classes() -> None:
    config = replace(SMALL, distance="euclidean", steps=150)
    (measured,) = drop_in.run(config, [0])
    assert measured.metrics["test_accuracy"] > 0.85
    assert measured.metrics["train_loss"] < 0.6 < measured.metrics["first_loss"]


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    config = replace(SMALL, steps=4)
    first, again, other = (drop_in.run(config, [seed])[0].metrics for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("network", [name for name in BACKBONES if name != "pvt_v2_b0"])
def test_bodies_and_data_do_not_depend_on_the_head(
    network: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str | None, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}

    def look(model: Network, batches: object, config: Config) -> object:
        body = [parameter.detach().clone() for parameter in model.body.parameters()]
        seen[config.distance] = body, [x for x, _ in batches]  # type: ignore[attr-defined]
        raise InterruptedError

    monkeypatch.setattr(images, "train", look)
    data = {"mlp": "mnist"}.get(network, "cifar10")
    for distance in (None, "cosine", "mahalanobis"):
        monkeypatch.setattr(images, "whole", drawn(data))
        with pytest.raises(InterruptedError):
            drop_in.run(Config(network, data, distance, steps=3, batch_size=16), [3])
    for body, batches in list(seen.values())[1:]:
        for ours, theirs in zip(body + batches, [*seen[None][0], *seen[None][1]], strict=True):
            assert torch.equal(ours, theirs)


def drawn(data: str) -> Callable[..., LabelledImages]:
    """The same noise each time."""
    channels, side = SIDES[data]
    pixels = torch.rand(40, channels, side, side, generator=torch.Generator().manual_seed(0))

    def load(name: str, split: str, root: object, complete: bool) -> LabelledImages:
        labels = torch.arange(40) % 10
        return LabelledImages(name, split, pixels, labels, tuple("0123456789"), "complete")

    return load


def test_a_head_comes_with_its_defaults() -> None:
    head = head_of(Config("mlp", "mnist", "cosine"), 64, 10, None)
    assert isinstance(head, hl.HarmonicHead)
    assert head.exponent == 8
    linear = head_of(Config("mlp", "mnist"), 64, 10, None)
    assert isinstance(linear, nn.Linear)
    assert linear.bias is not None


def test_tied_heads_share_the_embedding() -> None:
    weight = nn.Parameter(torch.randn(50, 8))
    for distance in (None, "euclidean"):
        config = Config("gpt2", "openwebtext", distance, tied=True)
        assert head_of(config, 8, 50, weight).weight is weight


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def measure(config: Config, seed: int, root: Path | None) -> Measurement:
        if seed == 2 and 2 not in done:
            done.append(2)
            raise KeyboardInterrupt
        done.append(seed)
        return Measurement(seed, {"test_accuracy": seed / 10}, {"train": "x"}, 1.0)

    monkeypatch.setattr(drop_in, "classify", measure)
    checkpoint = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        drop_in.run(SMALL, [0, 1, 2], None, checkpoint)
    found = drop_in.run(SMALL, [0, 1, 2], None, checkpoint)
    assert done == [0, 1, 2, 2]
    assert [each.seed for each in found] == [0, 1, 2]
    assert [each.metrics["test_accuracy"] for each in found] == [0.0, 0.1, 0.2]


def test_the_nats_are_those_of_all_tokens_of_whole_contexts(tiny: Path) -> None:
    class Uniform(nn.Module):
        """A network whose loss counts how often each token was asked for."""

        asked: list[torch.Tensor]

        def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            self.asked.append(y.flatten())
            assert torch.equal(x[:, 1:], y[:, :-1])
            return y.double().mean()

    network, ids = Uniform(), torch.arange(1000)
    network.asked = []
    found = text.validated(network, ids, torch.device("cpu"))  # type: ignore[arg-type]
    assert torch.equal(torch.cat(network.asked), torch.arange(1, 7 * 128 + 1))
    assert found == pytest.approx((1 + 7 * 128) / 2)


def test_every_configuration_is_its_own() -> None:
    for profile in drop_in.SEEDS:
        every = [str(config) for config in drop_in.configs(profile)]
        assert len(every) == len(set(every))
