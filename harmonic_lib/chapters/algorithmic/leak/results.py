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


def facts_needed(
    name: str, fraction: float, level: float, seeds: Sequence[int] = algo.SEEDS["full"]
) -> Tensor:
    """The fewest new facts, (S,), that lift a memory above a level of test accuracy.

    A test fact that was drawn more than once counts as often, so the most frequent come first.
    """
    facts, needed = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        seen = torch.isin(split.test, split.train)
        often = split.test[~seen].unique(return_counts=True)[1].sort(descending=True).values
        reached = torch.cat([seen.sum().view(1), often]).cumsum(0) > level * len(split.test)
        needed.append(int((~reached).sum()))
    return torch.tensor(needed)
