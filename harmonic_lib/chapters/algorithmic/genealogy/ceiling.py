"""What can be known of the held-out facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.genealogy.families import (
    DIRECT,
    RELATIONS,
    RULES,
    Fact,
    Rule,
    closure,
    other_family,
)
from harmonic_lib.data.tasks import clean_split, task
from harmonic_lib.experiments import algorithmic
from harmonic_lib.markdown import table

TASK = "genealogy"
SHARE = algorithmic.CLEAN[TASK]
"""Of the facts, told in training."""


@cache
def facts() -> list[Fact]:
    """The 372 facts, in the order of the task's table."""
    every = task(TASK)
    return [(i, r, j) for (i, r), j in zip(every.x.tolist(), every.y.tolist(), strict=True)]


def split(seed: int, share: float = SHARE) -> tuple[list[Fact], list[Fact]]:
    """The facts that a seed is told, and those that it is asked."""
    rows = clean_split(len(facts()), round(share * len(facts())), seed)
    told, asked = ([facts()[k] for k in part.tolist()] for part in (rows.train, rows.test))
    return told, asked


@dataclass(frozen=True)
class Ceiling:
    """How many facts are asked, and of these: what can be known of them.

    one_step, direct, follows: after one step of the direct rules, after all steps of them, and
    of all rules. undetermined: another family has all that was told and another answer. Those
    that are neither are open.
    """

    asked: int
    one_step: int
    direct: int
    follows: int
    undetermined: int

    @property
    def open(self) -> int:
        """Neither derived nor refuted."""
        return self.asked - self.follows - self.undetermined


def ceiling(seeds: Sequence[int], share: float = SHARE) -> dict[str, Ceiling]:
    """What can be known of the held-out facts of some seeds, by relation."""
    found = {name: [0] * 5 for name in RELATIONS}
    names = {token: name for name, token in RELATIONS.items()}
    for seed in seeds:
        told, asked = split(seed, share)
        direct, full = closure(told, DIRECT), closure(told, RULES)
        for fact in asked:
            other = fact not in full and other_family(told, fact) is not None
            marks = (True, direct.get(fact) == 1, fact in direct, fact in full, other)
            row = found[names[fact[1]]]
            row[:] = [count + mark for count, mark in zip(row, marks, strict=True)]
    return {name: Ceiling(*counts) for name, counts in found.items()}


def total(found: Mapping[str, Ceiling]) -> Ceiling:
    """All relations together."""
    every = found.values()
    return Ceiling(
        sum(c.asked for c in every),
        sum(c.one_step for c in every),
        sum(c.direct for c in every),
        sum(c.follows for c in every),
        sum(c.undetermined for c in every),
    )


def follows(
    told: float, seeds: Sequence[int], rules: Sequence[Rule] = RULES, steps: float = math.inf
) -> dict[str, Tensor]:
    """Of the facts not told, the part that follows, (S,), by relation and of "all".

    told: the share of the facts that is told. steps: how often the rules are applied.
    """
    rows: dict[str, list[float]] = {}
    for seed in seeds:
        known, asked = split(seed, told)
        full = closure(known, rules)
        for name, token in {**RELATIONS, "all": None}.items():
            own = [full.get(f, math.inf) for f in asked if token in (None, f[1])]
            hits = [number <= steps and number < math.inf for number in own]
            rows.setdefault(name, []).append(sum(hits) / len(hits) if hits else math.nan)
    return {name: torch.tensor(parts, dtype=torch.float64) for name, parts in rows.items()}


def ceiling_table(found: Mapping[str, Ceiling]) -> str:
    """A line a relation, as Markdown."""
    head = ["relation", "held out", "in one step", "direct rules", "all rules"]
    head += ["another family fits", "open"]
    lines = []
    for name, own in {**found, "all": total(found)}.items():
        counts = (own.one_step, own.direct, own.follows)
        shares = [f"{count} ({100 * count / own.asked:.1f} %)" for count in counts]
        lines.append([name, f"{own.asked}", *shares, f"{own.undetermined}", f"{own.open}"])
    return table(" | ".join(head), lines)
