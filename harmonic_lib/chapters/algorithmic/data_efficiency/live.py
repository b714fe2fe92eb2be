"""How many facts are enough: heads by train fraction, on unseen facts, seed by seed.

The protocol is :func:`harmonic_lib.experiments.algorithmic.like_for_like` with ``drawn``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.data_efficiency.fractions import config_of, steps
from harmonic_lib.chapters.algorithmic.data_efficiency.proofs import (
    follows,
    parallelogram_equations,
)
from harmonic_lib.chapters.algorithmic.data_efficiency.results import Point, point
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.experiments import algorithmic as algo

#: of the runs of the chapter itself
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": (0, 52, 105, 157, 210)}
LIVE = {
    "smoke": (0.1, 0.4),
    "quick": (0.03, 0.1, 0.2, 0.4),
    "full": (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4),
}
STEPS = {"smoke": 4, "quick": 300, "full": 1500}


def live(
    name: str, fractions: Sequence[float], profile: str, number: int | None = None
) -> dict[str, dict[float, Point]]:
    """Both heads on drawn facts, by head and train fraction, for as many steps at each fraction.

    number: of steps; None: those of the profile. It is rounded to whole epochs.

    Raises:
        ValueError: an unknown task or profile.
    """
    check_name("profile", profile, SEEDS)
    check_name("task", name, algo.NAMES)
    wanted = STEPS[profile] if number is None else number
    result: dict[str, dict[float, Point]] = {}
    for head in algo.HEADS:
        for fraction in fractions:
            config = config_of(name, head, fraction)
            a_round = steps(replace(config, epochs=1))
            config = replace(config, epochs=max(1, round(wanted / a_round)))
            outcome = algo.trained(config, SEEDS[profile])
            result.setdefault(head, {})[fraction] = point(outcome.measurements)
    return result


def following(draws: Sequence[int], seeds: Sequence[int] = algo.SEEDS["full"]) -> dict[int, Tensor]:
    """The share of the parallelograms not trained on that follow from the first draws, (S,).

    By the number of draws. What follows is decided by linear algebra, without a network.
    """
    facts, rows = task("parallelogram"), parallelogram_equations()
    result: dict[int, list[float]] = {number: [] for number in draws}
    for seed in seeds:
        split = released_split(facts, algo.FACTS, 0.9, seed)
        for number, shares in result.items():
            known = split.train[:number]
            rest = torch.ones(len(rows), dtype=torch.bool)
            rest[known] = False
            shares.append(float(follows(rows[known], rows[rest]).double().mean()))
    return {number: torch.tensor(shares) for number, shares in result.items()}
