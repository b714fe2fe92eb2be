"""The five tasks by their recorded seeds, on records that no run made."""

from __future__ import annotations

import math
from dataclasses import asdict

import fake_records
import pytest
import torch

from harmonic_lib.experiments import algorithmic, five_tasks
from harmonic_lib.experiments.algorithmic import Config
from harmonic_lib.records import Record


def made(config: Config, seeds: int = 3, **metrics: float) -> list[Record]:
    """Records of a configuration; ``ev_2`` is 0.1 more with each seed."""
    usual = {f"ev_{k}": k / 10 for k in range(1, 11)}
    usual |= {"train_epoch_90": 10.0, "test_epoch_90": 20.0, "components_90": 9.0}
    usual |= {f"{kind}_accuracy": 0.5 for kind in ("train", "test", "seen", "unseen")} | metrics
    return [
        fake_records.record(
            asdict(config), seed, usual | {"ev_2": usual["ev_2"] + 0.1 * seed}, experiment="x"
        )
        for seed in range(seeds)
    ]


def cells(table: str, row: str) -> list[str]:
    """The cells of the first row that begins with these words."""
    (line, *_) = [line for line in table.splitlines() if line.startswith(f"| {row}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_runs_are_of_one_configuration_and_in_the_order_of_seeds() -> None:
    one, other = (algorithmic.like_for_like("genealogy", "euclidean", n) for n in (2.0, 4.0))
    mixed = [*made(other), *reversed(made(one))]
    assert [record.seed for record in five_tasks.runs(mixed, one)] == [0, 1, 2]
    assert all(record.config == asdict(one) for record in five_tasks.runs(mixed, one))
    assert five_tasks.column(made(one), "ev_2").tolist() == pytest.approx([0.2, 0.3, 0.4])


def test_a_seed_that_never_came_is_late() -> None:
    epochs = torch.tensor([5.0, math.nan, 3.0, math.nan])
    assert five_tasks.middle(five_tasks.late(epochs)) == math.inf
    assert five_tasks.middle(five_tasks.late(epochs[:3])) == 5
    assert five_tasks.epoch_text(math.inf) == "never"


@pytest.mark.parametrize("name", algorithmic.NAMES)
def test_the_clean_networks_of_a_task(name: str) -> None:
    heads = five_tasks.clean(name)
    assert list(heads)[:1] == ["cross-entropy"]
    assert {"harmonic, n = 2", "harmonic, n = 4"} <= set(heads)
    assert not any(c.drawn or c.released or c.model != "mlp" for c in heads.values())
    exponents = [config.exponent for config in heads.values() if config.exponent]
    assert exponents == sorted(exponents)


def test_the_clean_table_says_what_is_not_recorded() -> None:
    plain = algorithmic.like_for_like("genealogy", None)
    never = {"test_epoch_90": math.nan, "test_accuracy": 0.25}
    table = five_tasks.clean_table(made(plain, **never), "genealogy")
    expected = ["cross-entropy", "3", "0", "10", "never", "25 (25 to 25)", "30 (20 to 40)"]
    assert cells(table, "cross-entropy") == [*expected, "9 (9 to 9)"]
    assert cells(table, "harmonic, n = 2")[1:] == [five_tasks.NOT_YET, *[""] * 6]
    assert "ring score" in five_tasks.clean_table([], "modular_addition").splitlines()[0]


def test_the_released_table_has_both_sides() -> None:
    """The reported numbers are typed from figure 7 and 14 of Baek et al. 2025."""
    ours = made(algorithmic.as_released("permutation", "harmonic"), seen_accuracy=math.nan)
    table = five_tasks.released_table(ours, "permutation")
    said = cells(table, "harmonic, reported")
    assert said[:6] == ["harmonic, reported", "20", "37.3 (27.3 to 86.4)", "18", "913", "1049"]
    measured = ["3", "30 (20 to 40)", "3", "10", "20", "50 (50 to 50)", "–", "50 (50 to 50)"]
    assert table.splitlines()[-1] == "| " + " | ".join(["ours", *measured]) + " |"
    assert cells(table, "ours")[1] == five_tasks.NOT_YET  # of cross-entropy


def test_cumulative_shares_by_head() -> None:
    found = made(algorithmic.as_released("equivalence", "harmonic"), seeds=4)
    curves = five_tasks.cumulative(found, "equivalence")
    assert list(curves) == ["harmonic"]
    assert curves["harmonic"].shape == (4, 10)
    torch.testing.assert_close(curves["harmonic"][0], torch.arange(1, 11).double() / 10)
