"""What the page reads off the records: which runs, what they reached, and who is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest
from fake_records import record

from harmonic_lib.chapters.appendices.use_it import results
from harmonic_lib.evidence import store
from harmonic_lib.experiments.drop_in.setups import SETUPS

MLP, GPT = "MLP, MNIST", "GPT-2, tied"

#: set-up -> head -> what three seeds reached
REACHED: dict[str, dict[str | None, list[float]]] = {
    MLP: {None: [0.90, 0.91, 0.92], "euclidean": [0.95, 0.96, 0.97], "cosine": [0.9, 0.93, 0.9]},
    GPT: {None: [5.0, 5.1, 5.2], "euclidean": [5.5, 5.6, 5.7], "cosine": [4.8]},
}


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for setup, heads in REACHED.items():
        for head, values in heads.items():
            config = asdict(replace(SETUPS[setup], distance=head))
            for seed, value in reversed(list(enumerate(values))):
                made.append(record(config, seed, {results.metric(setup): value}))
    other = asdict(replace(SETUPS[MLP], distance="euclidean", lr=3e-3))
    made.append(record(other, 0, {"test_accuracy": 0.5}))
    without_first = asdict(replace(SETUPS[MLP], distance="chebyshev"))
    made += [record(without_first, seed, {"test_accuracy": 0.93}) for seed in (2, 1)]
    monkeypatch.setattr(store, "recorded", lambda name: made)
    results.by_config.cache_clear()


def test_runs_of_a_configuration_come_by_seed() -> None:
    found = results.reached(MLP, "euclidean")
    assert list(found) == [0, 1, 2]
    assert list(found.values()) == pytest.approx([95, 96, 97])
    assert results.mean(MLP, "euclidean") == pytest.approx(96)
    assert results.reached(MLP, "euclidean", lr=3e-3) == {0: pytest.approx(50)}
    assert results.reached(MLP, "manhattan") == {}
    assert math.isnan(results.mean(MLP, "manhattan"))


@pytest.mark.parametrize(
    ("setup", "head", "gain", "verdict"),
    [
        (MLP, "euclidean", 5.0, "better"),
        (MLP, "cosine", 0.0, "no difference"),
        (GPT, "euclidean", -0.5, "worse"),
    ],
)
def test_better_is_more_accurate_or_fewer_nats(
    setup: str, head: str, gain: float, verdict: str
) -> None:
    assert results.gain(setup, head).difference.mean == pytest.approx(gain)
    assert results.verdict(setup, head) == verdict


def test_heads_are_compared_seed_by_seed() -> None:
    assert results.gain(MLP, "chebyshev").difference.mean == pytest.approx(1.5)


def rows(text: str) -> Mapping[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {first: others for first, *others in cells}


def test_the_table_says_how_many_seeds_there_are_if_not_three() -> None:
    table = rows(results.table([None, "euclidean", "cosine", "hamming"]))
    places = [list(SETUPS).index(setup) for setup in (MLP, GPT)]
    assert table["head"] == list(SETUPS)
    assert [table["linear"][k] for k in places] == ["91.0", "5.100"]
    assert [table["cosine"][k] for k in places] == ["91.0", "4.800 (1)"]
    assert set(table["hamming"]) == {"–"}
