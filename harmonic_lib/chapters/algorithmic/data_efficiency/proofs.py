"""How many facts are enough: what the chapter on data efficiency proves, checked on numbers.

Each check returns the worst violation that it found, 0 up to rounding where the proposition
holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from harmonic_lib.data.tasks import Task, task

SIZES = ((3, 2, 2), (4, 2, 3), (4, 3, 2), (5, 3, 2))
"""Tables, draws to train on and draws to test on of which every sequence is gone through."""
SPAN = 1e-6
"""What is left of an equation that follows from others, at most: rounding."""


# --- what the unseen draws are ----------------------------------------------------------------
def expected_unseen(facts: int, train: int, test: int) -> float:
    """(N - m) (1 - 1/M)^m: unseen ones among N - m test draws after m draws from M facts."""
    return test * (1 - 1 / facts) ** train


def spread_of(accuracy: float, unseen: int) -> float:
    """a (1 - a) / u: the variance of the accuracy on u unseen draws where it is a on average."""
    return accuracy * (1 - accuracy) / unseen


def by_training_set(train: tuple[int, ...], test: tuple[int, ...], facts: int) -> Tensor:
    """Which facts some network answers rightly, (M,): any rule will do that sees ``train`` alone.

    ``test`` is what a rule must not look at.
    """
    drawn = torch.Generator().manual_seed(sum(facts**k * fact for k, fact in enumerate(train)))
    return torch.rand(facts, generator=drawn) < 0.5


Rule = Callable[[tuple[int, ...], tuple[int, ...], int], Tensor]


def unseen_violation(
    count: Callable[[int, int, int], float] = expected_unseen,
    variance: Callable[[float, int], float] = spread_of,
    rule: Rule = by_training_set,
) -> float:
    """How far the formulas are from what they say, over every sequence of draws.

    Of the number of unseen draws, of the mean and of the variance of the accuracy on them,
    given the training draws and how many test draws are unseen.
    """
    worst = 0.0
    for facts, train, test in SIZES:
        numbers = []
        for known in product(range(facts), repeat=train):
            rest = [fact for fact in range(facts) if fact not in known]
            found: dict[int, list[float]] = {}
            for asked in product(range(facts), repeat=test):
                unseen = [fact for fact in asked if fact in rest]
                numbers.append(len(unseen))
                if unseen:
                    right = rule(known, asked, facts)[unseen]
                    found.setdefault(len(unseen), []).append(float(right.double().mean()))
            accuracy = float(rule(known, (), facts)[rest].double().mean())
            for unseen_draws, values in found.items():
                each = torch.tensor(values, dtype=torch.float64)
                worst = max(worst, abs(float(each.mean()) - accuracy))
                spread = variance(accuracy, unseen_draws)
                worst = max(worst, abs(float(each.var(correction=0)) - spread))
        worst = max(worst, abs(sum(numbers) / len(numbers) - count(facts, train, test)))
    return worst


# --- how few facts determine the others -------------------------------------------------------
def parallelogram_equations(facts: Task | None = None) -> Tensor:
    """A row for each fact: +1 at b and c, -1 at a and d, (M, 25) in float64.

    It is 0 on an embedding in which the four points are a parallelogram.
    """
    facts = facts or task("parallelogram")
    a, b, c = facts.x.unbind(1)
    rows = torch.zeros(len(facts.y), facts.vocab, dtype=torch.float64)
    for tokens, sign in ((b, 1.0), (c, 1.0), (a, -1.0), (facts.y, -1.0)):
        rows.scatter_add_(1, tokens.unsqueeze(1), torch.full((len(rows), 1), sign).double())
    return rows


def follows(known: Tensor, rows: Tensor) -> Tensor:
    """Whether each equation of ``rows`` (N, V) is a combination of the ``known`` (K, V): (N,)."""
    basis = torch.linalg.svd(known, full_matrices=False)
    own = basis.Vh[basis.S > SPAN]
    left: Tensor = (rows - rows @ own.T @ own).abs().amax(1)
    return left < SPAN


def draws_needed(rows: Tensor, draws: Tensor) -> int | None:
    """How many draws, in their order, until all equations follow; None: these do not suffice."""
    rank = int(torch.linalg.matrix_rank(rows))
    low, high = rank, len(draws)
    if int(torch.linalg.matrix_rank(rows[draws])) < rank:
        return None
    while low < high:  # a longer prefix has no smaller rank
        midpoint = (low + high) // 2
        enough = int(torch.linalg.matrix_rank(rows[draws[:midpoint]])) == rank
        low, high = (low, midpoint) if enough else (midpoint + 1, high)
    return low


def rank_violation(rows: Tensor | None = None, needed: int = 22, tries: int = 20) -> float:
    """Of the equations of the 5 × 5 grid: that affine maps solve them, and ``needed`` determine.

    ``tries`` random choices of ``needed`` independent facts must give all others, and of one
    less must not.
    """
    rows = parallelogram_equations() if rows is None else rows
    points = torch.cartesian_prod(torch.arange(5), torch.arange(5)).double()
    affine = torch.cat([torch.ones(25, 1).double(), points], 1)
    worst = float((rows @ affine).abs().max())
    order = torch.Generator().manual_seed(0)
    for _ in range(tries):
        chosen = independent(rows[torch.randperm(len(rows), generator=order)])
        worst = max(worst, abs(len(chosen) - needed))
        worst = max(worst, float((~follows(chosen[:needed], rows)).double().mean()))
        worst = max(worst, float(follows(chosen[: needed - 1], rows).all()))
    return worst


def independent(rows: Tensor) -> Tensor:
    """The rows that are no combination of those before them."""
    rank, kept = int(torch.linalg.matrix_rank(rows)), rows[:0]
    for row in rows:
        if len(kept) == rank:
            break
        if not follows(kept, row.unsqueeze(0)):
            kept = torch.cat([kept, row.unsqueeze(0)])
    return kept


def sum_equations(p: int, facts: Tensor | None = None) -> Tensor:
    """A row for each fact (a, b) of addition modulo p: +1 at a and b, -1 at a + b, (M, p)."""
    if facts is None:
        facts = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    one = torch.eye(p, dtype=torch.int64)
    return one[facts[:, 0]] + one[facts[:, 1]] - one[facts.sum(1) % p]


def rank_modulo(rows: Tensor, p: int) -> int:
    """The rank of integer rows over the numbers modulo a prime p, by Gaussian elimination.

    Raises:
        ValueError: p is not a prime.
    """
    if p < 2 or any(p % k == 0 for k in range(2, math.isqrt(p) + 1)):
        raise ValueError(f"expected a prime, got {p}")
    left, rank = rows % p, 0
    for column in range(rows.shape[1]):
        (found,) = left[rank:, column].nonzero(as_tuple=True)
        if len(found):
            pivot = rank + int(found[0])
            left[[rank, pivot]] = left[[pivot, rank]]
            left[rank] = left[rank] * pow(int(left[rank, column]), -1, p) % p
            factors = left[:, column].clone()
            factors[rank] = 0
            left = (left - factors.unsqueeze(1) * left[rank]) % p
            rank += 1
    return rank


def chain(p: int) -> Tensor:
    """The facts (1, k) for k = 1, …, p - 1: (p - 1, 2)."""
    return torch.stack([torch.ones(p - 1, dtype=torch.int64), torch.arange(1, p)], 1)


def sum_violation(
    needed: Callable[[int], int] = lambda p: p - 1,
    chosen: Callable[[int], Tensor] = chain,
    primes: tuple[int, ...] = (3, 5, 7, 11),
) -> int:
    """How far the facts of addition modulo p are from the rank that is proved.

    Of the rank of all facts, of that of the ``chosen`` ones, and of these without any one.
    """
    worst = 0
    for p in primes:
        few = chosen(p)
        worst = max(worst, abs(rank_modulo(sum_equations(p), p) - needed(p)))
        worst = max(worst, abs(rank_modulo(sum_equations(p, few), p) - needed(p)))
        for k in range(len(few)):
            fewer = torch.cat([few[:k], few[k + 1 :]])
            worst = max(worst, abs(rank_modulo(sum_equations(p, fewer), p) - needed(p) + 1))
    return worst
