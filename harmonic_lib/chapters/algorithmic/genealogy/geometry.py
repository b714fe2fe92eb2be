"""The map of the people: who is near whom."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.genealogy.families import (
    PEOPLE,
    RELATIONS,
)
from harmonic_lib.checks import check_name
from harmonic_lib.markdown import table
from harmonic_lib.measure.scatter import within_variance_share

GENERATION = torch.tensor([i.bit_length() - 1 for i in range(PEOPLE + 1)])
"""By person; the entry of nobody, 0, is -1."""


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
