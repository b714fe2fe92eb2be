"""Genealogy: what can be known of the held-out facts, and what the networks know of them.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like; what
follows from what is in :mod:`harmonic_lib.chapters.algorithmic.genealogy.proofs`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.genealogy.ceiling import TASK, Ceiling, split, total
from harmonic_lib.chapters.algorithmic.genealogy.families import (
    PEOPLE,
    RELATIONS,
    SIBLING,
    Fact,
)
from harmonic_lib.checks import check_name
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.markdown import table

SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algorithmic.SEEDS["full"]}
EPOCHS = {"smoke": 3, "quick": 250, "full": 1500}
EXPONENTS = {"cross-entropy": None, "harmonic, n = 2": 2.0, "harmonic, n = 4": 4.0}


def config_of(head: str, epochs: int = EPOCHS["full"]) -> Config:
    """The like-for-like configuration of a head by its name here.

    Raises:
        ValueError: an unknown head.
    """
    check_name("head", head, EXPONENTS)
    exponent = EXPONENTS[head]
    return like_for_like(TASK, None if exponent is None else "euclidean", exponent, epochs=epochs)


def live(profile: str) -> dict[str, Outcome]:
    """All heads on the clean split, by name.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    return {
        head: algorithmic.trained(config_of(head, EPOCHS[profile]), SEEDS[profile])
        for head in EXPONENTS
    }


def tested(outcome: Outcome) -> list[tuple[list[Fact], list[int]]]:
    """The held-out facts of each seed, and the network's answers to them."""
    found = []
    for member, measured in zip(outcome.members, outcome.measurements, strict=True):
        asked = split(measured.seed, outcome.config.fraction)[1]
        with torch.no_grad():
            answers = member(torch.tensor(asked)[:, :2]).argmax(-1)
        found.append((asked, answers.tolist()))
    return found


def by_relation(outcome: Outcome) -> dict[str, Tensor]:
    """Accuracy on the held-out facts of each relation, (S,)."""
    rows: dict[str, list[float]] = {name: [] for name in RELATIONS}
    for asked, answers in tested(outcome):
        for name, token in RELATIONS.items():
            own = [f[2] == a for f, a in zip(asked, answers, strict=True) if f[1] == token]
            rows[name].append(sum(own) / len(own) if own else math.nan)
    return {name: torch.tensor(shares, dtype=torch.float64) for name, shares in rows.items()}


SIBLING_ANSWERS = ("right", "the person asked about", "a cousin", "their generation", "others")


def sibling_answers(outcome: Outcome) -> dict[str, int]:
    """What is answered to the held-out questions for a sibling, over all seeds.

    A cousin has the same grandparent; "their generation" and "others" are what is left of it,
    and of all tokens.
    """
    found = dict.fromkeys(SIBLING_ANSWERS, 0)
    for asked, answers in tested(outcome):
        for (person, relation, right), answer in zip(asked, answers, strict=True):
            if relation == SIBLING:
                cases = (
                    answer == right,
                    answer == person,
                    0 < answer <= PEOPLE and answer // 4 == person // 4,
                    0 < answer <= PEOPLE and answer.bit_length() == person.bit_length(),
                    True,
                )
                found[SIBLING_ANSWERS[cases.index(True)]] += 1
    return found


def relation_table(found: Mapping[str, Outcome], limit: Mapping[str, Ceiling]) -> str:
    """Right answers of all seeds by relation, beside what follows, as Markdown."""
    head = ["head", "seeds", *RELATIONS, "train accuracy (%)", "test accuracy (%)", "EV₂ (%)"]
    known = [f"{own.follows} of {own.asked}" for own in limit.values()]
    every, seeds = total(limit), min(len(outcome.measurements) for outcome in found.values())
    part = f"{100 * every.follows / every.asked:.0f}"
    lines = [["follows by the rules", f"{seeds}", *known, "–", part, "–"]]
    for name, outcome in found.items():
        hits, own = dict.fromkeys(RELATIONS.values(), 0), outcome.measurements
        for asked, answers in tested(outcome):
            for (_, relation, true), answer in zip(asked, answers, strict=True):
                hits[relation] += answer == true
        means = [
            f"{100 * sum(run.metrics[m] for run in own) / len(own):.0f}"
            for m in ("train_accuracy", "test_accuracy", "ev_2")
        ]
        right = [f"{hits[r]} of {limit[n].asked}" for n, r in RELATIONS.items()]
        lines.append([name, f"{len(own)}", *right, *means])
    return table(" | ".join(head), lines)


def embedding_of(outcome: Outcome) -> Tensor:
    """The embeddings of the people, (S, 126, D): row i - 1 is person i."""
    tables = [algorithmic.embedding_of(member) for member in outcome.members]
    return torch.stack(tables)[:, 1 : PEOPLE + 1].double()
