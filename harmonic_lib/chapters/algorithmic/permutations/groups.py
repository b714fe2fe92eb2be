"""Subgroups of the permutations of four things, by name."""

from __future__ import annotations

from collections.abc import Sequence

from harmonic_lib.chapters.algorithmic.permutations.proofs import is_normal
from harmonic_lib.markdown import table
from harmonic_lib.measure.cosets import (
    PERMUTATIONS,
    PRODUCT,
    Subgroup,
    subgroups,
)
from harmonic_lib.measure.symmetric_group import ALTERNATING, KLEIN

TASK = "permutation"
WORDS = tuple("".join(str(i + 1) for i in g) for g in PERMUTATIONS)
"""The permutations as they are written: 2134 takes 1 to 2, 2 to 1, 3 to 3 and 4 to 4."""
LAST: Subgroup = tuple(g for g in range(24) if PERMUTATIONS[g][3] == 3)
"""The six permutations that leave the last of the four things where it is."""
NORMAL = {"A4": ALTERNATING, "V4": KLEIN}


def order_of(g: int) -> int:
    """How often g must be applied until all is back in place."""
    power, order = g, 1
    while power:
        power, order = PRODUCT[power][g], order + 1
    return order


def name_of(group: Subgroup) -> str:
    """What a subgroup of S_4 is called, up to conjugation."""
    longest = max(order_of(g) for g in group)
    if len(group) == 2:
        return "two, in V4" if set(group) <= set(KLEIN) else "two, a swap"
    if len(group) == 4 and longest == 2:
        return "V4" if group == KLEIN else "two swaps"
    names = {1: "identity", 3: "C3", 4: "C4", 6: "S3", 8: "D4", 12: "A4", 24: "S4"}
    return names[len(group)]


def subgroup_table() -> str:
    """The 30 subgroups by name, as Markdown: order, how many, cosets, whether they are normal."""
    names: dict[str, list[Subgroup]] = {}
    for group in subgroups():
        names.setdefault(name_of(group), []).append(group)
    lines = []
    for name, same in names.items():
        size, normal = len(same[0]), all(map(is_normal, same))
        sides = 0 if size in (1, 24) else len(same) * (1 if normal else 2)
        example = " ".join(WORDS[g] for g in same[0][:6]) + (" …" if size > 6 else "")
        lines.append((name, size, len(same), 24 // size, "yes" if normal else "no", sides, example))
    columns = "name | elements | how many | cosets | normal | partitions | the first of them"
    return table(columns, lines)


def overlapping(subset: Sequence[int]) -> tuple[int, int]:
    """How many different sets g∘A a set A has, and in how many of them each element is, at most."""
    sets = {frozenset(PRODUCT[g][a] for a in subset) for g in range(24)}
    return len(sets), max(sum(g in one for one in sets) for g in range(24))
