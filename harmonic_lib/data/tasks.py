"""The five algorithmic tasks of Baek et al. 2025 (section 4): all their facts, and splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from harmonic_lib.checks import check_name


@dataclass(frozen=True)
class Task:
    """A finite table of facts: ``x`` (M, k) tokens and ``y`` (M) the token that answers.

    vocab: the number of tokens. shown: the tokens whose embeddings the task orders, (n,).
    """

    name: str
    x: Tensor
    y: Tensor
    vocab: int
    shown: Tensor


@dataclass(frozen=True)
class Split:
    """Rows of a task to train on and to test on; a row may be in both where sampling leaks."""

    train: Tensor
    test: Tensor


def parallelogram() -> Task:
    """Points of a 5 × 5 grid: (a, b, c) to d = b + c − a, where d is on the grid; 7,225 facts."""
    points = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    a, b, c = torch.cartesian_prod(*[torch.arange(25)] * 3).unbind(1)
    d = points[b] + points[c] - points[a]
    inside = ((d >= 0) & (d < 5)).all(1)
    x = torch.stack([a, b, c], 1)[inside]
    return Task("parallelogram", x, (5 * d[:, 0] + d[:, 1])[inside], 25, torch.arange(25))


def modular_addition(p: int = 31) -> Task:
    """Residues: (a, b) to a + b mod p; p² facts."""
    x = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    return Task("modular_addition", x, x.sum(1) % p, p, torch.arange(p))


def equivalence() -> Task:
    """Numbers to 39: (a, b) to 40, "same", where a ≡ b mod 5, else to 41, "different"; 1,600."""
    x = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    same = x[:, 0] % 5 == x[:, 1] % 5
    return Task("equivalence", x, torch.where(same, 40, 41), 42, torch.arange(40))


def genealogy() -> Task:
    """A binary tree of people 1 to 126: (person, relation) to a person; 372 facts.

    i // 2 is the parent of i, i // 4 the grandparent and i ± 1 the sibling; tokens 127, 128
    and 129 are the relations. The released tables have one fact more, which is an error:
    they make 127, the token "parent", the sibling of 126. Here 126 has no sibling, its
    parent 63 has one child.
    """
    facts = [(i, 127, i // 2) for i in range(2, 127)]
    facts += [(i, 128, i // 4) for i in range(4, 127)]
    facts += [(i, 129, i ^ 1) for i in range(2, 126)]
    table = torch.tensor(facts)
    return Task("genealogy", table[:, :2], table[:, 2], 130, torch.arange(1, 127))


def genealogy_as_released() -> Task:
    """:func:`genealogy` with the released error, 127 as the sibling of 126; 373 facts."""
    right = genealogy()
    x = torch.cat([right.x, torch.tensor([[126, 129]])])
    y = torch.cat([right.y, torch.tensor([127])])
    return Task("genealogy_as_released", x, y, 130, right.shown)


def permutation() -> Task:
    """The symmetric group S4 in lexicographic order: (g, h) to g∘h, i ↦ g(h(i)); 576 facts."""
    elements = torch.tensor(list(permutations(range(4))))
    x = torch.cartesian_prod(torch.arange(24), torch.arange(24))
    products = elements[x[:, 0]].gather(1, elements[x[:, 1]])
    y = (products.unsqueeze(1) == elements).all(2).int().argmax(1)
    return Task("permutation", x, y, 24, torch.arange(24))


TASKS: dict[str, Callable[[], Task]] = {
    "parallelogram": parallelogram,
    "modular_addition": modular_addition,
    "equivalence": equivalence,
    "genealogy": genealogy,
    "genealogy_as_released": genealogy_as_released,
    "permutation": permutation,
}


def task(name: str) -> Task:
    """A task by name.

    Raises:
        ValueError: no task has that name.
    """
    check_name("task", name, TASKS)
    return TASKS[name]()


def clean_split(facts: int, train: int, seed: int) -> Split:
    """``train`` facts drawn from ``seed`` to train on, and all the others to test on.

    Raises:
        ValueError: nothing would be left on one side.
    """
    if not 0 < train < facts:
        raise ValueError(f"expected from 1 to {facts - 1} facts to train on, got {train}")
    order = torch.randperm(facts, generator=torch.Generator().manual_seed(seed))
    return Split(order[:train], order[train:])


def released_split(task: Task, size: int, fraction: float, seed: int) -> Split:
    """The released protocol: ``size`` facts drawn *with replacement*, then split by draw.

    So a fact may be on both sides: of modular addition's 200 test facts at a fraction of 0.8,
    57 % on average are also trained on. Permutation is not drawn: its whole table is split.

    Raises:
        ValueError: nothing would be left on one side.
    """
    order = torch.Generator().manual_seed(seed)
    if task.name == "permutation":
        rows = torch.randperm(len(task.y), generator=order)
    else:
        rows = torch.randint(len(task.y), (size,), generator=order)
    cut = int(fraction * len(rows))
    if not 0 < cut < len(rows):
        raise ValueError(f"expected a fraction that leaves facts on both sides, got {fraction}")
    return Split(rows[:cut], rows[cut:])


def stack_splits(splits: Sequence[Split]) -> tuple[Tensor, Tensor]:
    """The training and the test rows of one split a seed: (S, train), (S, test)."""
    return torch.stack([s.train for s in splits]), torch.stack([s.test for s in splits])
