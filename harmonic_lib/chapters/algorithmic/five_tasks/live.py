"""Embeddings without anything to learn: untrained, and with shuffled answers."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import stack_splits, task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    HEADS,
    Config,
    like_for_like,
)
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.training import History, train

#: profile -> epochs of cross-entropy and of the harmonic head on shuffled answers
SHUFFLED = {"smoke": (3, 3), "quick": (150, 300), "full": (1500, 1500)}


def untrained(name: str, seeds: int = 200) -> Tensor:
    """EV_2 of as many untrained embeddings of a task, of the tokens that it orders, (S,)."""
    facts = task(name)
    found = [
        explained_variance(algorithmic.embedding_of(network)[facts.shown])[1]
        for network in (
            algorithmic.build(like_for_like(name, None), facts, seed) for seed in range(seeds)
        )
    ]
    return torch.stack(found)


def in_any_order(answers: Tensor, seed: int) -> Tensor:
    """The same answers, each of another fact."""
    return answers[torch.randperm(len(answers), generator=torch.Generator().manual_seed(seed))]


def shuffled(profile: str) -> dict[str, History]:
    """Both heads on modular addition with its answers shuffled: nothing to find but the facts.

    Of each seed, "train_accuracy" and "ev_2" after each epoch, by head.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SHUFFLED)
    facts, seeds = task("modular_addition"), algorithmic.SEEDS["quick"][:3]
    answers = torch.stack([in_any_order(facts.y, seed) for seed in seeds])
    found = {}
    for (head, (distance, exponent)), epochs in zip(HEADS.items(), SHUFFLED[profile], strict=True):
        config = like_for_like(facts.name, distance, exponent)
        rows, _ = stack_splits(algorithmic.splits(config, facts, seeds))
        x, y = facts.x[rows], answers.gather(1, rows)

        def watch(
            ensemble: Ensemble, config: Config = config, x: Tensor = x, y: Tensor = y
        ) -> dict[str, Tensor]:
            tables = ensemble["embedding.weight"]
            answered = algorithmic.answers(ensemble, config, x)
            return {
                "train_accuracy": (answered == y).float().mean(1),
                "ev_2": torch.stack([explained_variance(table)[1] for table in tables]),
            }

        found[head] = train(
            Ensemble([algorithmic.build(config, facts, seed) for seed in seeds]),
            seeds,
            x,
            y,
            epochs=epochs,
            batch_size=config.batch_size,
            lr=config.lr,
            weight_decay=config.weight_decay,
            watch=watch,
        )
    return found
