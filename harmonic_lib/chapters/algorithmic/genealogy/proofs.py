"""What follows about a family from some of its facts, and which maps can be a parent.

A fact (i, r, j) says that j is the relative of i: the relations are the tokens of
:func:`harmonic_lib.data.tasks.genealogy`. Each check returns the worst violation that it found,
0 up to rounding where the proposition holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.genealogy.families import (
    DIRECT,
    GENERATIONS,
    GRANDPARENT,
    PARENT,
    PEOPLE,
    RULES,
    TREE,
    Chance,
    Rule,
    children_of,
    closure,
    facts_of,
    known,
    small_families,
)


def soundness_violation(
    rules: Sequence[Rule] = RULES, people: int = 6, draws: int = 150, seed: int = 0
) -> int:
    """In how many draws of facts something follows that is not so in *every* family with them."""
    families = small_families(people)
    order = torch.Generator().manual_seed(seed)
    wrong = 0
    for _ in range(draws):
        chosen = sorted(families[int(torch.randint(len(families), (), generator=order))])
        given = {f for f in chosen if float(torch.rand((), generator=order)) < 0.5}
        common = set.intersection(*(each for each in families if given <= each))
        try:
            wrong += not closure(given, rules).keys() <= common
        except ValueError:  # a wrong rule may contradict what was given
            wrong += 1
    return wrong


def one_step_chance(q: float, relation: int, children: int, siblings: int) -> float:
    """The chance that a fact follows in one step of the direct rules; each other is known with q.

    children: how many the person has. siblings: 0 or 1.
    """
    pair = (1 - (1 - q) ** 2) * siblings  # it is known who the sibling is
    if relation == PARENT:
        return 1 - (1 - pair * q) * (1 - q**2) ** children
    if relation == GRANDPARENT:
        return 1 - (1 - q**2) * (1 - pair * q)
    return 1 - (1 - q) * (1 - q**2)


def expected_share(q: float, relation: int, chance: Chance = one_step_chance) -> float:
    """The mean of that chance over all facts of a relation."""
    children = children_of(TREE)
    asked = [i for i, r, _ in facts_of(TREE) if r == relation]
    every = [chance(q, relation, len(children.get(i, ())), int(i != PEOPLE)) for i in asked]
    return sum(every) / len(every)


def one_step_violation(chance: Chance = one_step_chance, rules: Sequence[Rule] = DIRECT) -> float:
    """How far the formula is off in the family of six people, over all sets of given facts."""
    parents = {i: i // 2 for i in range(2, 7)}
    children, facts = children_of(parents), sorted(facts_of(parents))
    q, worst = 0.7, 0.0
    exact = dict.fromkeys(facts, 0.0)
    for count in range(len(facts) + 1):
        for given in combinations(facts, count):
            now = known(given)
            found = {fact for rule in rules for fact in rule(now)}.difference(given)
            # of the other facts; the one asked for is not given
            weight = q**count * (1 - q) ** (len(facts) - 1 - count)
            for fact in found:
                exact[fact] += weight
    for (i, r, _), share in exact.items():
        siblings = len(children[parents[i]]) - 1
        worst = max(worst, abs(chance(q, r, len(children.get(i, ())), siblings) - share))
    return worst


def path_code(people: int = PEOPLE) -> Tensor:
    """The tree as a shift register, (people, 6): row i - 1 has the last choices on the way to i.

    Entry 1 is the last step, -1 to the even and +1 to the odd child, entry 2 the one before,
    and so on; 0 where the way has ended. The parent of a row is the row moved by one place.
    """
    table = torch.zeros(people, GENERATIONS, dtype=torch.float64)
    for i in range(1, people + 1):
        for k in range(i.bit_length() - 1):
            table[i - 1, k] = 2 * (i >> k & 1) - 1
    return table


def shift(table: Tensor) -> Tensor:
    """Every row moved by one place: the first entry drops out, a zero comes in."""
    return torch.cat([table[:, 1:], torch.zeros_like(table[:, :1])], 1)


def path_violation(table: Tensor) -> float:
    """How far a table of people is from having the shift as parent and a flip as sibling."""
    people = torch.arange(2, len(table) + 1)
    parents = (shift(table)[people - 1] - table[people // 2 - 1]).abs().max()
    pairs = people[(people ^ 1) <= len(table)]
    flip = torch.ones(table.shape[1], dtype=table.dtype)
    flip[0] = -1
    siblings = (table[pairs - 1] * flip - table[(pairs ^ 1) - 1]).abs().max()
    return float(max(parents, siblings))


def ranks(table: Tensor) -> list[int]:
    """The dimension of each generation: the rank of the differences of its people."""
    found = []
    for generation in range((len(table)).bit_length()):
        first = 2**generation
        rows = table[first - 1 : 2 * first - 1]
        found.append(int(torch.linalg.matrix_rank(rows - rows[:1], atol=1e-8)))
    return found


def growth_violation(table: Tensor) -> float:
    """How far an affine parent misses, or how many dimensions a generation gains too few.

    The first is the largest residual of the least-squares map from people to parents.
    """
    people = torch.arange(2, len(table) + 1)
    ones = torch.ones(len(people), 1, dtype=table.dtype)
    rows, parents = torch.cat([table[people - 1], ones], 1), table[people // 2 - 1]
    fitted = rows @ torch.linalg.pinv(rows) @ parents
    found = ranks(table)
    short = max(1 + above - below for above, below in pairwise(found))
    return max(float((fitted - parents).abs().max()), float(short))


def path_shares() -> Tensor:
    """EV_1 to EV_6 of the path code of the full tree of 127 people, by the formula."""
    generation = torch.arange(1, GENERATIONS + 1, dtype=torch.float64)
    parts = 2 ** (GENERATIONS + 1) - 2**generation
    shares: Tensor = parts.cumsum(0) / parts.sum()
    return shares
