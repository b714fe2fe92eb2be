"""How the released code draws its facts, and how far its test set leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.experiments import algorithmic as algo

Answer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From training questions (N, k), their answers (N,) and new questions (T, k): answers (T,)."""


def expected_leak(facts: int, draws: int) -> float:
    """1 - (1 - 1/M)^m: the chance that one more draw is among m draws from M facts."""
    return 1 - (1 - 1 / facts) ** draws


RELEASED = {name: name for name in algo.NAMES} | {"genealogy": "genealogy_as_released"}
"""The table of each task in the released protocol."""


@dataclass(frozen=True)
class Drawn:
    """The released splits of S seeds.

    leak: (S,) share of the test draws that were trained on. trained, new: (S,) how many
    different facts are trained on, and tested on without having been.
    """

    leak: Tensor
    trained: Tensor
    new: Tensor


def drawn(name: str, fraction: float, seeds: Sequence[int] = algo.SEEDS["full"]) -> Drawn:
    """How far the released splits of a task leak."""
    facts, rows = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        seen = torch.isin(split.test, split.train)
        new = len(split.test[~seen].unique())
        rows.append((float(seen.double().mean()), len(split.train.unique()), new))
    return Drawn(*torch.tensor(rows, dtype=torch.float64).T)


def majority(name: str) -> float:
    """The share of the facts of a table that have the commonest answer."""
    answers = task(name).y
    return float(answers.bincount().max()) / len(answers)


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
