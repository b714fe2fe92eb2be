"""Both heads trained on drawn facts, and how they answer each kind of fact: seen, mirror, new.

The protocols are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.comparison import SEEDS
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic as algo

#: profile -> epochs of cross-entropy and of the harmonic head on drawn facts
EPOCHS = {"smoke": (3, 3), "quick": (120, 150), "full": (1500, 1500)}
#: drawn at these fractions; the harmonic head has the exponent sqrt(D), which is the fastest
LIVE = (0.4, 0.8)
EXPONENT = 4.0


@dataclass(frozen=True)
class Kinds:
    """Accuracy (S,) on all facts of a table by kind, and the share of each kind, (S,).

    kinds: "trained on", "mirror only" (not itself, but (b, a) for (a, b)) and "new".
    """

    accuracy: dict[str, Tensor]
    share: dict[str, Tensor]


def live(profile: str) -> dict[tuple[float, str], algo.Outcome]:
    """Both heads on drawn facts of modular addition, by train fraction and head.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    heads = dict(zip(algo.HEADS, ((None, None), ("euclidean", EXPONENT)), strict=True))
    return {
        (fraction, head): algo.trained(
            algo.like_for_like(
                "modular_addition", *form, epochs=epochs, fraction=fraction, drawn=True
            ),
            SEEDS[profile],
        )
        for fraction in LIVE
        for (head, form), epochs in zip(heads.items(), EPOCHS[profile], strict=True)
    }


@torch.no_grad()
def kinds(outcome: algo.Outcome) -> Kinds:
    """How a network for pairs answers the facts that it saw, their mirrors, and the rest.

    All facts count, tested on or not: those that were not drawn are as new as test facts.
    """
    facts = task(outcome.config.task)
    seeds = [each.seed for each in outcome.measurements]
    splits = algo.splits(outcome.config, facts, seeds)
    accuracy: dict[str, list[float]] = {}
    share: dict[str, list[float]] = {}
    for member, split in zip(outcome.members, splits, strict=True):
        right = (member(facts.x).argmax(-1) == facts.y).double()
        for kind, mask in kinds_of(facts.x, facts.x[split.train]).items():
            accuracy.setdefault(kind, []).append(float(right[mask].mean()))
            share.setdefault(kind, []).append(float(mask.double().mean()))
    columns = [{k: torch.tensor(v) for k, v in rows.items()} for rows in (accuracy, share)]
    return Kinds(*columns)


def kinds_of(x: Tensor, x_train: Tensor) -> dict[str, Tensor]:
    """Which of the pairs x (N, 2) are trained on, have their mirror trained on alone, are new."""
    tokens = int(torch.cat([x, x_train]).max()) + 1
    known = torch.zeros(tokens, tokens, dtype=torch.bool)
    known[x_train[:, 0], x_train[:, 1]] = True
    itself, mirror = known[x[:, 0], x[:, 1]], known[x[:, 1], x[:, 0]]
    return {
        "trained on": itself,
        "mirror only": mirror & ~itself,
        "new": ~mirror & ~itself,
    }
