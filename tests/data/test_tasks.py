"""The five tasks against counts of the papers' tables, and by brute force; the splits' leak."""

from __future__ import annotations

from itertools import permutations, product

import pytest
import torch

from harmonic_lib.data.tasks import TASKS, clean_split, released_split, stack_splits, task


def facts(name: str) -> dict[tuple[int, ...], int]:
    found = task(name)
    assert found.x.shape[0] == found.y.shape[0]
    return {tuple(x): y for x, y in zip(found.x.tolist(), found.y.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("name", "count", "vocab"),
    [
        ("parallelogram", 7225, 25),
        ("modular_addition", 961, 31),
        ("equivalence", 1600, 42),
        ("genealogy", 372, 130),
        ("genealogy_as_released", 373, 130),
        ("permutation", 576, 24),
    ],
)
def test_every_fact_is_there_once(name: str, count: int, vocab: int) -> None:
    found = task(name)
    assert len(facts(name)) == len(found.y) == count
    assert found.vocab == vocab
    assert 0 <= int(found.x.min()) <= int(found.x.max()) < vocab
    assert 0 <= int(found.y.min()) <= int(found.y.max()) < vocab
    assert int(found.shown.max()) < vocab


def test_parallelogram() -> None:
    expected = {}
    for a, b, c in product(range(25), repeat=3):
        row, column = b // 5 + c // 5 - a // 5, b % 5 + c % 5 - a % 5
        if row in range(5) and column in range(5):
            expected[a, b, c] = 5 * row + column
    assert facts("parallelogram") == expected


def test_modular_addition_and_equivalence() -> None:
    assert all(y == (a + b) % 31 for (a, b), y in facts("modular_addition").items())
    same = [y for (a, b), y in facts("equivalence").items() if (a - b) % 5 == 0]
    assert same == [40] * 320  # a fifth of 1,600
    assert list(facts("equivalence").values()).count(41) == 1280


def test_genealogy() -> None:
    answers = facts("genealogy")
    for (person, relation), answer in answers.items():
        if relation == 127:
            assert answer == person // 2
        elif relation == 128:
            assert answers[answers[person, 127], 127] == answer
        else:
            assert answers[answer, 129] == person
            assert answers[answer, 127] == answers[person, 127]
    counts = [sum(r == relation for _, r in answers) for relation in (127, 128, 129)]
    assert counts == [125, 123, 124]
    wrong = set(facts("genealogy_as_released").items()) - set(answers.items())
    assert wrong == {((126, 129), 127)}


def test_permutation_is_a_group_in_lexicographic_order() -> None:
    elements = list(permutations(range(4)))
    for (g, h), gh in facts("permutation").items():
        assert elements[gh] == tuple(elements[g][elements[h][i]] for i in range(4))


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("parallelogram", 0.106),
        ("modular_addition", 0.560),
        ("equivalence", 0.384),
        ("genealogy_as_released", 0.872),
        ("permutation", 0.0),
    ],
)
def test_the_released_split_leaks_as_much_as_the_released_code(name: str, leak: float) -> None:
    """Means of 20 seeds of the released code, at a fraction of 0.8; ours are of 20 others."""
    found = task(name)
    shares = []
    for seed in range(20):
        split = released_split(found, 1000, 0.8, seed)
        shares.append(torch.isin(split.test, split.train).float().mean())
    assert torch.stack(shares).mean() == pytest.approx(leak, abs=0.025)


def test_a_released_split_has_the_drawn_number_of_rows() -> None:
    split = released_split(task("modular_addition"), 1000, 0.8, 0)
    assert (len(split.train), len(split.test)) == (800, 200)
    whole = released_split(task("permutation"), 1000, 0.8, 0)
    assert sorted([*whole.train.tolist(), *whole.test.tolist()]) == list(range(576))


def test_a_clean_split_shares_nothing_and_leaves_nothing_out() -> None:
    split = clean_split(961, 548, 3)
    assert len(split.train) == 548
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(961))
    assert torch.equal(clean_split(961, 548, 3).train, split.train)
    assert not torch.equal(clean_split(961, 548, 4).train, split.train)


def test_splits_of_many_seeds() -> None:
    train, test = stack_splits([clean_split(10, 7, seed) for seed in range(3)])
    assert (train.shape, test.shape) == ((3, 7), (3, 3))


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="modular_addition"):
        task("modular_additon")
    with pytest.raises(ValueError, match="from 1 to 9 facts"):
        clean_split(10, 10, 0)
    with pytest.raises(ValueError, match="leaves facts on both sides"):
        released_split(task("permutation"), 1000, 1.0, 0)
    assert set(TASKS) == {task(name).name for name in TASKS}
