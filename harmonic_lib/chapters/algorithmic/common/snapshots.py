"""Algorithmic tasks with the embedding of every epoch kept: what an animation is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harmonic_lib.ensemble import Ensemble
from harmonic_lib.experiments.algorithmic import Config, Outcome, trained


def with_snapshots(config: Config, seeds: Sequence[int]) -> tuple[Outcome, Tensor]:
    """Train a network a seed; the embeddings after each epoch, (epochs, S, V, D), come second."""
    tables: list[Tensor] = []

    def keep(ensemble: Ensemble) -> Mapping[str, Tensor]:
        tables.append(ensemble["embedding.weight"].detach().cpu().clone())  # it goes on in place
        return {}

    outcome = trained(config, tuple(seeds), keep)
    return outcome, torch.stack(tables)
