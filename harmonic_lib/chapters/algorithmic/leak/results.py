"""What remembering the training facts scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.splits import RELEASED, Answer
from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.experiments import algorithmic as algo


def memory(
    name: str, fraction: float, answer: Answer, seeds: Sequence[int] = algo.SEEDS["full"]
) -> Tensor:
    """Test accuracy, (S,), of a table that is given the training facts of each released split."""
    facts, right = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        guess = answer(facts.x[split.train], facts.y[split.train], facts.x[split.test])
        right.append((guess == facts.y[split.test]).double().mean())
    return torch.stack(right)
