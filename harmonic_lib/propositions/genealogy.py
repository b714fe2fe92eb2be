"""What follows about a family from some of its facts, and which maps can be a parent.

A fact (i, r, j) says that j is the relative of i: the relations are the tokens of
:func:`harmonic_lib.data.tasks.genealogy`. Each check returns the worst violation that it found,
0 up to rounding where the proposition holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import torch
from torch import Tensor

PARENT, GRANDPARENT, SIBLING = 127, 128, 129
RELATIONS = {"parent": PARENT, "grandparent": GRANDPARENT, "sibling": SIBLING}
PEOPLE = 126
GENERATIONS = 6
"""Below the first person."""

Fact = tuple[int, int, int]
Parents = Mapping[int, int]
"""A family: the parent of everybody but person 1."""
TREE: dict[int, int] = {i: i // 2 for i in range(2, PEOPLE + 1)}


# --- families -------------------------------------------------------------------------------


def facts_of(parents: Parents) -> set[Fact]:
    """All facts of a family."""
    facts = set()
    children = children_of(parents)
    for i, j in parents.items():
        facts.add((i, PARENT, j))
        if j in parents:
            facts.add((i, GRANDPARENT, parents[j]))
        facts |= {(i, SIBLING, other) for other in children[j] - {i}}
    return facts


def children_of(parents: Parents) -> dict[int, set[int]]:
    """The children of everybody who has some."""
    children: dict[int, set[int]] = {}
    for i, j in parents.items():
        children.setdefault(j, set()).add(i)
    return children


def is_family(parents: Parents) -> bool:
    """Whether nobody has more than two children and every line of parents ends at person 1."""
    if any(len(own) > 2 for own in children_of(parents).values()):
        return False
    for i in parents:
        seen = {i}
        while i in parents:
            i = parents[i]
            if i in seen:
                return False
            seen.add(i)
        if i != 1:
            return False
    return True


# --- rules ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """Some facts, ready to be looked up.

    answer: by person and relation. children: known to be somebody's, by parent facts.
    """

    answer: Mapping[tuple[int, int], int]
    children: Mapping[int, set[int]]

    def of(self, relation: int) -> Iterator[tuple[int, int]]:
        """The facts of one relation."""
        return ((i, j) for (i, r), j in self.answer.items() if r == relation)


Rule = Callable[[Known], Iterable[Fact]]


def known(facts: Iterable[Fact]) -> Known:
    """Facts, ready to be looked up."""
    answer = {(i, r): j for i, r, j in facts}
    return Known(answer, children_of({i: j for (i, r), j in answer.items() if r == PARENT}))


def two_steps(given: Known) -> Iterator[Fact]:
    """The parent of the parent is the grandparent."""
    for i, j in given.of(PARENT):
        if (j, PARENT) in given.answer:
            yield i, GRANDPARENT, given.answer[j, PARENT]


def between(given: Known) -> Iterator[Fact]:
    """The grandparent of i is the parent of the parent of i."""
    for i, j in given.of(PARENT):
        if (i, GRANDPARENT) in given.answer:
            yield j, PARENT, given.answer[i, GRANDPARENT]


def shared(given: Known) -> Iterator[Fact]:
    """Siblings have the same parent and grandparent."""
    for pair in given.of(SIBLING):
        for (i, j), r in product((pair, pair[::-1]), (PARENT, GRANDPARENT)):
            if (i, r) in given.answer:
                yield j, r, given.answer[i, r]


def mutual(given: Known) -> Iterator[Fact]:
    """The sibling of the sibling of i is i."""
    return ((j, SIBLING, i) for i, j in given.of(SIBLING))


def together(given: Known) -> Iterator[Fact]:
    """Two children of one parent are siblings."""
    for own in given.children.values():
        if len(own) == 2:
            i, j = own
            yield from ((i, SIBLING, j), (j, SIBLING, i))


def no_room(given: Known) -> Iterator[Fact]:
    """A grandchild of k is a child of one child of k if the other has two children already."""
    for i, k in given.of(GRANDPARENT):
        if (i, PARENT) not in given.answer:
            own = given.children.get(k, set())
            both = own | {given.answer[j, SIBLING] for j in own if (j, SIBLING) in given.answer}
            room = [j for j in both if len(given.children.get(j, ())) < 2]
            if len(both) == 2 and len(room) == 1:
                yield i, PARENT, room[0]


DIRECT: tuple[Rule, ...] = (two_steps, between, shared, mutual, together)
RULES: tuple[Rule, ...] = (*DIRECT, no_room)


def closure(given: Collection[Fact], rules: Sequence[Rule] = RULES) -> dict[Fact, int]:
    """All that follows: each fact with the round of rules in which it turns up, 0 if given.

    Raises:
        ValueError: a question has two answers: no family has these facts, or a rule is wrong.
    """
    rounds = dict.fromkeys(given, 0)
    while True:
        now = known(rounds)
        if len(now.answer) < len(rounds):
            raise ValueError("the facts contradict each other")
        number = max(rounds.values(), default=0) + 1
        found = {fact for rule in rules for fact in rule(now)} - rounds.keys()
        if not found:
            return rounds
        rounds |= dict.fromkeys(found, number)


def other_family(given: Collection[Fact], fact: Fact) -> Parents | None:
    """A family that has all given facts, and another answer to the question of this one.

    Tried are the families in which one person or a pair of siblings has another parent than
    in the tree: the person asked about, or its parent, with descendants. None: none of them.
    """
    person, relation, answer = fact
    need = set(given)
    for mover in dict.fromkeys((person, TREE.get(person, 1))):
        for group in ((mover,), (mover, mover ^ 1)):
            if not TREE.keys() >= set(group):
                continue
            for place in range(1, PEOPLE + 1):
                parents = TREE | dict.fromkeys(group, place)
                facts = facts_of(parents)
                if need <= facts and is_family(parents):
                    others = {j for i, r, j in facts if (i, r) == (person, relation)}
                    if others - {answer}:
                        return parents
    return None


def small_families(people: int) -> list[set[Fact]]:
    """The facts of every family of so many people."""
    rest = range(2, people + 1)
    every = (
        dict(zip(rest, parents, strict=True))
        for parents in product(range(1, people + 1), repeat=people - 1)
    )
    return [facts_of(parents) for parents in every if is_family(parents)]


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


# --- one step -------------------------------------------------------------------------------

Chance = Callable[[float, int, int, int], float]


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


# --- maps -----------------------------------------------------------------------------------


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
