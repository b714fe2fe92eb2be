"""The five tasks by their recorded seeds, on records that no run made."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import fake_records
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fake_records import changed

from harmonic_lib.chapters.algorithmic.common import tables
from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    column,
    epoch_text,
    late,
    median,
    paired_counts,
    runs_of,
)
from harmonic_lib.chapters.algorithmic.five_tasks import figures, live, proofs, results
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config
from harmonic_lib.measure.embedding import explained_variance


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
    assert [record.seed for record in runs_of(mixed, one)] == [0, 1, 2]
    assert all(record.config == asdict(one) for record in runs_of(mixed, one))
    assert column(made(one), "ev_2").tolist() == pytest.approx([0.2, 0.3, 0.4])


def test_a_seed_that_never_came_is_late() -> None:
    epochs = torch.tensor([5.0, math.nan, 3.0, math.nan])
    assert median(late(epochs)) == math.inf
    assert median(late(epochs[:3])) == 5
    assert epoch_text(math.inf) == "never"


def test_counts_of_the_same_seeds_are_compared_in_pairs() -> None:
    """The p-value: twice the chance of at most one head in six throws of a coin."""
    plain, other = (algorithmic.like_for_like("genealogy", *h) for h in ((None,), ("cosine", 2.0)))
    got = [(1, 0)] * 5 + [(0, 1)] + [(1, 1)] * 9 + [(0, 0)] * 5
    ours, theirs = (
        [
            changed(r, metrics=r.metrics | {"test_epoch_90": 7.0 if g[k] else math.nan})
            for r, g in zip(made(config, seeds=20), got, strict=True)
        ]
        for k, config in enumerate((plain, other))
    )
    expected = (5, 1, pytest.approx(2 * (1 + 6) / 2**6))
    assert paired_counts(ours, theirs) == expected
    assert paired_counts(ours[::-1], [*theirs, changed(theirs[0], seed=99)]) == expected
    with pytest.raises(ValueError, match=r"no common seeds: \[0\] and \[1\]"):
        paired_counts(ours[:1], theirs[1:2])


@pytest.mark.parametrize("name", algorithmic.NAMES)
def test_the_clean_networks_of_a_task(name: str) -> None:
    heads = tables.clean(name)
    assert list(heads)[:1] == ["cross-entropy"]
    assert {"harmonic, n = 2", "harmonic, n = 4"} <= set(heads)
    assert not any(c.drawn or c.released or c.model != "mlp" for c in heads.values())
    exponents = [config.exponent for config in heads.values() if config.exponent]
    assert exponents == sorted(exponents)


def test_the_clean_table_says_what_is_not_recorded() -> None:
    plain = algorithmic.like_for_like("genealogy", None)
    never = {"test_epoch_90": math.nan, "test_accuracy": 0.25}
    table = tables.clean_table(made(plain, **never), "genealogy")
    shares = ["25.0 (25.0 to 25.0)", "30.0 (20.0 to 40.0)"]
    expected = ["cross-entropy", "3", "0", "10", "never", *shares]
    assert cells(table, "cross-entropy") == [*expected, "9 (9 to 9)"]
    assert cells(table, "harmonic, n = 2")[1:] == [NOT_YET, *[""] * 6]
    assert "ring score" in tables.clean_table([], "modular_addition").splitlines()[0]


def test_the_median_of_an_even_number_of_counts_may_be_a_half() -> None:
    plain = algorithmic.like_for_like("genealogy", None)
    found = made(plain, seeds=4)
    axes = zip(found, (4.0, 6.0, 4.0, 5.0), strict=True)
    found = [changed(r, metrics=r.metrics | {"components_90": k}) for r, k in axes]
    assert cells(tables.clean_table(found, "genealogy"), "cross")[-1] == "4.5 (4 to 6)"


def test_the_released_table_has_both_sides() -> None:
    """The reported numbers are typed from figure 7 and 14 of Baek et al. 2025."""
    ours = made(algorithmic.as_released("permutation", "harmonic"), seen_accuracy=math.nan)
    table = tables.released_table(ours, "permutation")
    said = cells(table, "harmonic, reported")
    assert said[:6] == ["harmonic, reported", "20", "37.3 (27.3 to 86.4)", "18", "913", "1049"]
    same = "50.0 (50.0 to 50.0)"
    measured = ["3", "30.0 (20.0 to 40.0)", "3", "10", "20", same, "–", same]
    assert table.splitlines()[-1] == "| " + " | ".join(["ours", *measured]) + " |"
    assert cells(table, "ours")[1] == NOT_YET  # of cross-entropy


def test_cumulative_shares_by_head() -> None:
    found = made(algorithmic.as_released("equivalence", "harmonic"), seeds=4)
    curves = tables.cumulative(found, "equivalence")
    assert list(curves) == ["harmonic"]
    assert curves["harmonic"].shape == (4, 10)
    torch.testing.assert_close(curves["harmonic"][0], torch.arange(1, 11).double() / 10)


# --- what an explained variance is worth ------------------------------------------------------


def test_an_untrained_embedding_is_a_uniform_one() -> None:
    """Against embeddings drawn by NumPy: the same median to three points."""
    draws = np.random.default_rng(0).uniform(-0.25, 0.25, (200, 24, 16))
    rows = draws - draws.mean(1, keepdims=True)
    along = np.linalg.svd(rows, compute_uv=False) ** 2
    expected = np.median(along[:, :2].sum(1) / along.sum(1))
    found = live.untrained("permutation", seeds=40)
    assert found.shape == (40,)
    assert float(found.median()) == pytest.approx(expected, abs=0.03)


def test_the_floor_of_explained_variance() -> None:
    assert proofs.rank_violation() < 1e-12
    assert proofs.equality_violation() < 1e-12
    squared = lambda table: explained_variance(table).square()  # noqa: E731
    assert proofs.rank_violation(squared) > 0.01
    uncentred = lambda table: (  # noqa: E731
        torch.linalg.svdvals(table).square().cumsum(0) / table.square().sum()
    )
    assert proofs.equality_violation(uncentred) > 0.01


def test_shuffled_answers_are_those_of_other_facts() -> None:
    answers = torch.arange(31).repeat(31)
    found = live.in_any_order(answers, seed=1)
    assert torch.equal(found.sort().values, answers.sort().values)
    assert (found == answers).float().mean() < 0.1  # 1/31 by chance
    assert torch.equal(found, live.in_any_order(answers, seed=1))
    assert not torch.equal(found, live.in_any_order(answers, seed=2))


def test_both_heads_are_trained_on_shuffled_answers() -> None:
    found = live.shuffled("smoke")
    assert list(found) == list(algorithmic.HEADS)
    for history in found.values():
        assert history["ev_2"].shape == history["train_accuracy"].shape == (3, 3)
        assert (history["train_accuracy"] < 0.5).all()
    with pytest.raises(ValueError, match="quik"):
        live.shuffled("quik")


# --- verdicts and hours -----------------------------------------------------------------------


def test_every_number_of_a_row_has_one_verdict() -> None:
    ours = made(algorithmic.as_released("genealogy", "harmonic"), seeds=20)
    claim = "genealogy-mlp-harmonic"
    ours = [fake_records.changed(record, claim=claim, experiment="algorithmic") for record in ours]
    table = results.verdict_table(ours, "mlp")
    seeds, *numbers = (int(cell) for cell in cells(table, "genealogy, harmonic")[1:])
    assert seeds == 20
    assert sum(numbers) == sum(row.claim == claim for row in reported("algorithmic"))
    assert sum(numbers[:-1]) > 0
    assert [int(cell) for cell in cells(table, "genealogy, cross-entropy")[1:6]] == [0] * 5


def test_hours_add_up() -> None:
    one = algorithmic.as_released("genealogy", "harmonic")
    found = made(one, seeds=4) + made(replace(one, epochs=5), seeds=3)
    assert results.hours(found) == {"cross-entropy": 0, "harmonic": pytest.approx(4 / 3600)}


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_figures_have_every_seed_and_say_what_is_missing() -> None:
    keys = [("equivalence", head) for head in algorithmic.HEADS]
    said = {key: results.reported_ev(*key) for key in keys}
    assert said[keys[0]] == {"mean": 0.95, "median": 0.965, "min": 0.86, "max": 0.98}
    null = {"equivalence": torch.linspace(0.2, 0.3, 21)}
    seeds = torch.tensor([0.3, 0.5, 0.7])
    figure = figures.explained(said, {keys[0]: seeds}, {keys[0]: seeds}, null)
    for axes in figure.axes:
        (dots,) = [
            line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())
        ]
        np.testing.assert_allclose(dots.get_xdata(), [30, 50, 70], rtol=1e-6)
        assert [text.get_text() for text in axes.texts] == ["not recorded yet"]
    shown = {"equivalence": {"cross-entropy": (seeds, seeds)}, "genealogy": {}}
    figure = figures.plane(shown, null | {"genealogy": torch.zeros(3)})
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["not recorded yet"]
    histories = {"harmonic": {m: torch.rand(4, 3) for m in ("train_accuracy", "ev_2")}}
    _, right = figures.shuffled(histories, null["equivalence"]).axes
    assert len([line for line in right.lines if len(line.get_xdata()) == 4]) == 3
    plt.close("all")
