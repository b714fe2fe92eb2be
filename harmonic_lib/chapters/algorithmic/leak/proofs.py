"""Test facts that were trained on: what the chapter on the leak proves, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.splits import Answer, expected_leak
from harmonic_lib.data.tasks import released_split, task

SIZES = tuple((facts, draws) for facts in (2, 3, 4, 5) for draws in (1, 2, 3, 4, 5))
FRACTIONS = (0.1, 0.5, 0.8)
DRAWN = ("parallelogram", "modular_addition", "equivalence", "genealogy_as_released")
"""The tasks that are drawn with replacement, with their tables as released."""


def expected_kinds(facts: int, draws: int) -> tuple[float, float, float]:
    """The chances of a fact (a, b), a ≠ b, to be drawn, to have its mirror drawn alone, neither.

    1 - (1 - 1/M)^m, (1 - 1/M)^m - (1 - 2/M)^m and (1 - 2/M)^m after m draws from M facts.
    """
    not_it, neither = (1 - 1 / facts) ** draws, (1 - 2 / facts) ** draws
    return 1 - not_it, not_it - neither, neither


def every_sequence(facts: int, draws: int, replace: bool = True) -> Tensor:
    """All equally likely sequences of draws, (sequences, draws)."""
    found = product(range(facts), repeat=draws) if replace else permutations(range(facts), draws)
    return torch.tensor(list(found))


def drawn(sequences: Tensor, facts: int) -> Tensor:
    """Whether each fact is in each sequence, (sequences, facts)."""
    known = torch.zeros(len(sequences), facts, dtype=torch.bool)
    return known.scatter(1, sequences, True)


def leak_violation(
    formula: Callable[[int, int], float] = expected_leak, replace: bool = True
) -> float:
    """How far a formula is from the mean share of facts drawn, over all sequences of draws."""
    worst = 0.0
    for facts, draws in SIZES:
        if replace or draws <= facts:
            share = drawn(every_sequence(facts, draws, replace), facts).double().mean()
            worst = max(worst, abs(formula(facts, draws) - float(share)))
    return worst


def kinds_violation(
    formula: Callable[[int, int], tuple[float, float, float]] = expected_kinds,
) -> float:
    """The same of the three kinds of pairs a ≠ b, over all sequences of draws from p² pairs."""
    worst = 0.0
    for p, draws in ((2, 1), (2, 3), (2, 5), (3, 1), (3, 2), (3, 4)):
        known = drawn(every_sequence(p * p, draws), p * p).view(-1, p, p)
        mirrored = known.mT & ~known
        pairs = ~torch.eye(p, dtype=torch.bool)
        kinds = (known, mirrored, ~known & ~mirrored)
        for share, kind in zip(formula(p * p, draws), kinds, strict=True):
            worst = max(worst, abs(share - float(kind[:, pairs].double().mean())))
    return worst


def memory_violation(answer: Answer, seed: int = 0) -> float:
    """How far the accuracy of a memory is from λ + (1 - λ) c, with its own c on new facts.

    On the four tasks that are drawn; λ is the share of test facts that are training facts.
    """
    worst = 0.0
    for name in DRAWN:
        facts = task(name)
        for fraction in FRACTIONS:
            split = released_split(facts, 1000, fraction, seed)
            train, test = split.train, split.test
            right = answer(facts.x[train], facts.y[train], facts.x[test]) == facts.y[test]
            seen = torch.isin(test, train)
            leak, chance = float(seen.double().mean()), float(right[~seen].double().mean())
            accuracy = float(right.double().mean())
            worst = max(worst, abs(accuracy - (leak + (1 - leak) * chance)))
    return worst
