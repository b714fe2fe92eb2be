"""Families, their facts, and what follows from some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

PARENT, GRANDPARENT, SIBLING = 127, 128, 129
RELATIONS = {"parent": PARENT, "grandparent": GRANDPARENT, "sibling": SIBLING}
PEOPLE = 126
GENERATIONS = 6
"""Below the first person."""

Fact = tuple[int, int, int]
Parents = Mapping[int, int]
"""A family: the parent of everybody but person 1."""
TREE: dict[int, int] = {i: i // 2 for i in range(2, PEOPLE + 1)}


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


Chance = Callable[[float, int, int, int], float]
