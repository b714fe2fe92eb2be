"""Genealogy: what can be known of the held-out facts, and what the networks know of them.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like; what
follows from what is in :mod:`harmonic_lib.propositions.genealogy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import clean_split, task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.experiments.by_seed import NOT_YET, column, middle, runs
from harmonic_lib.markdown import table
from harmonic_lib.measure.scatter import within_variance_share
from harmonic_lib.propositions.genealogy import (
    DIRECT,
    PEOPLE,
    RELATIONS,
    RULES,
    SIBLING,
    Fact,
    Rule,
    closure,
    other_family,
)
from harmonic_lib.propositions.leak import expected_leak

TASK = "genealogy"
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algorithmic.SEEDS["full"]}
EPOCHS = {"smoke": 3, "quick": 250, "full": 1500}
EXPONENTS = {"cross-entropy": None, "harmonic, n = 2": 2.0, "harmonic, n = 4": 4.0}
SHARE = algorithmic.CLEAN[TASK]
"""Of the facts, told in training."""
GENERATION = torch.tensor([i.bit_length() - 1 for i in range(PEOPLE + 1)])
"""By person; the entry of nobody, 0, is -1."""


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


# --- what can be known ----------------------------------------------------------------------


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


# --- what is known --------------------------------------------------------------------------


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


def by_fraction(found: Sequence[Record]) -> dict[str, dict[float, Tensor]]:
    """Recorded accuracy on facts never told, (S,), by head and by the share of facts told.

    Of the runs on draws with replacement at several train fractions; a share is the expected
    number of different facts among the draws.
    """
    curves: dict[str, dict[float, Tensor]] = {}
    size = len(facts())
    for head, (distance, exponent) in algorithmic.HEADS.items():
        name = head if exponent is None else f"{head}, n = {exponent:g}"
        for fraction in algorithmic.FRACTIONS:
            config = like_for_like(TASK, distance, exponent, fraction=fraction, drawn=True)
            own = runs(found, config)
            if own:
                told = expected_leak(size, int(fraction * algorithmic.FACTS))
                unseen = torch.tensor([record.metrics["unseen_accuracy"] for record in own])
                curves.setdefault(name, {})[told] = unseen
    return curves


# --- the map --------------------------------------------------------------------------------


def embedding_of(outcome: Outcome) -> Tensor:
    """The embeddings of the people, (S, 126, D): row i - 1 is person i."""
    tables = [algorithmic.embedding_of(member) for member in outcome.members]
    return torch.stack(tables)[:, 1 : PEOPLE + 1].double()


def relative(people: Tensor, relation: str) -> Tensor:
    """By the numbers in the tree; the result may be nobody (0 or 127)."""
    check_name("relation", relation, RELATIONS)
    return {"parent": people // 2, "grandparent": people // 4, "sibling": people ^ 1}[relation]


def nearness(table: Tensor, relation: str) -> float:
    """How often a relative is nearer than another person of the relative's generation.

    1/2 where the map knows nothing of the relation, 1 where the relative is always nearer;
    over all people who have the relative, and all others of that generation, a tie for half.
    (126, D), row i - 1 of person i.
    """
    people = torch.arange(1, len(table) + 1)
    distances = torch.cdist(table, table)
    shares = []
    for person, other in zip(people.tolist(), relative(people, relation).tolist(), strict=True):
        if not 1 <= other <= len(table):
            continue
        rest = (GENERATION[people] == GENERATION[other]) & (people != other) & (people != person)
        if rest.any():
            row = distances[person - 1]
            difference = row[rest] - row[other - 1]
            shares.append(float((difference.sign() + 1).mean() / 2))
    return sum(shares) / len(shares)


def map_hits(table: Tensor, relation: str, *, affine: bool) -> float:
    """How often one map for all people finds the relative of somebody it was not fitted to.

    The map is affine or a translation, by least squares on all pairs of siblings but one; a hit
    is a relative who is the nearest person to the image of one of that pair. (126, D).
    """
    people = torch.arange(2, len(table) + 1)
    others = relative(people, relation)
    there = (others >= 1) & (others <= len(table))
    people, others = people[there], others[there]
    x, y = table[people - 1], table[others - 1]
    ones = torch.ones(len(x), 1, dtype=x.dtype)
    hits = 0
    for pair in (people // 2).unique():
        own = people // 2 == pair
        if affine:
            rows = torch.cat([x, ones], 1)
            image = rows[own] @ torch.linalg.pinv(rows[~own]) @ y[~own]
        else:
            image = x[own] + (y - x)[~own].mean(0)
        nearest = torch.cdist(image, table).argmin(1) + 1
        hits += int((nearest == others[own]).sum())
    return hits / len(people)


def geometry(tables: Tensor) -> dict[str, Tensor]:
    """Nearness, variance within pairs of siblings, and hits of each table, (S,) of (S, 126, D)."""
    columns = {f"{r} nearer": [nearness(t, r) for t in tables] for r in ("sibling", "parent")}
    parents = torch.arange(2, PEOPLE) // 2
    columns["variance within pairs"] = [
        within_variance_share(t[1 : PEOPLE - 1], parents) for t in tables
    ]
    for relation in ("parent", "sibling"):
        for kind in ("translation", "affine"):
            columns[f"{relation}: {kind}"] = [
                map_hits(t, relation, affine=kind == "affine") for t in tables
            ]
    return {name: torch.tensor(shares) for name, shares in columns.items()}


def geometry_table(found: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Means over seeds in per cent, as Markdown."""
    titles = list(next(iter(found.values())))
    lines = [
        [name, f"{len(own[titles[0]])}", *(f"{100 * own[t].mean():.0f}" for t in titles)]
        for name, own in found.items()
    ]
    return table(" | ".join(["head", "seeds", *titles]), lines)


# --- from the records -----------------------------------------------------------------------


def against(found: Sequence[Record]) -> dict[str, str]:
    """By head: recorded seeds of the clean split that must know some siblings, and the median.

    These are the seeds whose test accuracy is above the share of facts asked that are not about
    siblings.
    """
    said = {}
    for head in EXPONENTS:
        own = runs(found, config_of(head))
        if not own:
            said[head] = NOT_YET
            continue
        accuracy, above = column(own, "test_accuracy"), 0
        for record, reached in zip(own, accuracy.tolist(), strict=True):
            asked = split(record.seed)[1]
            above += reached * len(asked) > sum(fact[1] != SIBLING for fact in asked) + 0.5
        said[head] = f"{above} of {len(own)} seeds (median {100 * middle(accuracy):.0f} %)"
    return said
