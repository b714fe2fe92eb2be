"""How many facts are enough: proofs against enumeration, tables and figures on made-up records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import fake_records
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.lines import Line2D
from scipy.stats import ttest_rel
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import reported_figure
from harmonic_lib.chapters.algorithmic.common.splits import majority
from harmonic_lib.chapters.algorithmic.data_efficiency import (
    comparison,
    figures,
    live,
    proofs,
    results,
)
from harmonic_lib.chapters.algorithmic.data_efficiency import fractions as efficiency
from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic as algo

SEEDS = (0, 52, 105, 157, 210)


def heights(line: Line2D) -> list[float]:
    found: list[float] = np.asarray(line.get_ydata()).tolist()
    return found


def label(line: Line2D) -> str:
    return str(line.get_label())


def record(
    name: str, head: str, fraction: float, seed: int, unseen: float, share: float = 0.5
) -> Record:
    """A run that remembers what it saw."""
    metrics = {
        "test_accuracy": share + (1 - share) * unseen,
        "seen_accuracy": 1.0 if share else math.nan,
        "unseen_accuracy": unseen,
        "seen_share": share,
        "train_accuracy": 1.0,
    }
    config = asdict(efficiency.config_of(name, head, fraction))
    return fake_records.record(config, seed, metrics, experiment="algorithmic")


def series(name: str, head: str, fraction: float, unseen: Sequence[float]) -> list[Record]:
    return [
        record(name, head, fraction, seed, value)
        for seed, value in zip(SEEDS, unseen, strict=False)
    ]


def some() -> list[Record]:
    """Modular addition at two fractions, both heads, five seeds; in disorder."""
    found = series("modular_addition", "cross-entropy", 0.4, [0.03, 0.04, 0.02, 0.05, 0.03])
    found += series("modular_addition", "harmonic", 0.4, [0.93, 0.94, 0.99, 0.92, 0.95])
    found += series("modular_addition", "cross-entropy", 0.1, [0.03, 0.02, 0.04, 0.03, 0.03])
    found += series("modular_addition", "harmonic", 0.1, [0.03, 0.03, 0.03, 0.04, 0.02])
    return found[::-1]


# --- propositions -----------------------------------------------------------------------------


def test_what_the_unseen_draws_are() -> None:
    assert proofs.unseen_violation() < 1e-12
    assert proofs.unseen_violation(count=lambda facts, m, test: test * (1 - m / facts)) > 0.1
    assert proofs.unseen_violation(variance=lambda a, u: a * (1 - a)) > 0.1

    def peeks(train: tuple[int, ...], test: tuple[int, ...], facts: int) -> Tensor:
        return torch.tensor([fact in test for fact in range(facts)])

    assert proofs.unseen_violation(rule=peeks) > 0.5


def test_22_parallelograms_and_no_fewer() -> None:
    rows = proofs.parallelogram_equations()
    assert proofs.rank_violation() < 1e-9
    assert proofs.rank_violation(needed=21, tries=2) >= 1
    assert proofs.rank_violation(needed=23, tries=2) >= 1
    assert proofs.rank_violation(rows[rows[:, 7] == 0], tries=2) >= 1
    assert proofs.rank_violation(rows.abs(), tries=2) >= 1


def test_equations_are_solved_by_the_grid_and_broken_by_a_bump() -> None:
    rows = proofs.parallelogram_equations()
    points = torch.cartesian_prod(torch.arange(5), torch.arange(5)).double()
    assert (rows @ points).abs().max() == 0
    bump = torch.eye(25, dtype=torch.float64)[12]
    facts = task("parallelogram")
    times = sum((facts.x[:, k] == 12).long() for k in (1, 2)) - sum(
        (column == 12).long() for column in (facts.x[:, 0], facts.y)
    )
    np.testing.assert_array_equal(rows @ bump, times)


def test_what_follows_is_the_span() -> None:
    known = torch.tensor([[1.0, 1, 0], [0, 1, 1]]).double()
    rows = torch.tensor([[1.0, 2, 1], [1, 0, -1], [1, 0, 0], [0, 0, 0]]).double()
    assert proofs.follows(known, rows).tolist() == [True, True, False, True]
    assert proofs.follows(known[:0], rows).tolist() == [False, False, False, True]
    assert len(proofs.independent(torch.cat([known, rows]))) == 3


@pytest.mark.parametrize("seed", [0, 52])
def test_how_many_draws_are_needed(seed: int) -> None:
    rows = proofs.parallelogram_equations()
    draws = released_split(task("parallelogram"), 1000, 0.2, seed).train
    needed = proofs.draws_needed(rows, draws)
    assert needed is not None
    assert np.linalg.matrix_rank(rows[draws[:needed]]) == 22
    assert np.linalg.matrix_rank(rows[draws[: needed - 1]]) == 21
    assert proofs.draws_needed(rows, draws[: needed - 1]) is None


def test_sums_modulo_a_prime() -> None:
    assert proofs.sum_violation() == 0
    assert proofs.sum_violation(needed=lambda p: p) > 0
    assert proofs.sum_violation(chosen=lambda p: proofs.chain(p)[:-1]) > 0
    rows = proofs.sum_equations(7)
    assert (rows @ torch.arange(7) % 7 == 0).all()
    assert np.linalg.matrix_rank(rows.double()) == 7  # a clock is not a line


def test_the_rank_modulo_a_prime_is_that_of_the_span() -> None:
    """All combinations, counted: p to the power of the rank."""
    drawn = torch.Generator().manual_seed(0)
    for p in (2, 3, 5):
        for _ in range(10):
            rows = torch.randint(-4, 5, (3, 4), generator=drawn)
            weights = torch.cartesian_prod(*[torch.arange(p)] * 3)
            span = (weights @ rows % p).unique(dim=0)
            assert len(span) == p ** proofs.rank_modulo(rows, p)
    with pytest.raises(ValueError, match="prime"):
        proofs.rank_modulo(rows, 6)


# --- what a fraction is -----------------------------------------------------------------------


@pytest.mark.parametrize("name", algo.NAMES)
def test_counts_are_those_of_the_splits(name: str) -> None:
    facts, expected = task(name), efficiency.counts(name, 0.4)
    splits = [released_split(facts, algo.FACTS, 0.4, seed) for seed in range(30)]
    assert {(len(s.train), len(s.test)) for s in splits} == {(expected.train, expected.test)}
    assert expected.facts == len(facts.y)
    distinct = np.mean([len(s.train.unique()) for s in splits])
    unseen = np.mean([int((~torch.isin(s.test, s.train)).sum()) for s in splits])
    assert expected.distinct == pytest.approx(distinct, rel=0.03)
    assert expected.unseen == pytest.approx(unseen, rel=0.05)
    assert expected.leak == pytest.approx(1 - unseen / expected.test, abs=0.02)


def test_steps() -> None:
    ours = efficiency.config_of("modular_addition", "harmonic", 0.9)
    assert efficiency.steps(ours) == 1500 * 8  # 900 draws in batches of 128
    assert efficiency.steps(algo.as_released("genealogy", "harmonic", fraction=0.1)) == 7000 * 4
    assert "1,500 of 28,000" in efficiency.steps_table()


# --- what is reported -------------------------------------------------------------------------


def test_reported_curves() -> None:
    said = results.reported_curves()
    assert list(said) == list(algo.NAMES)
    assert said["parallelogram"]["MLP, harmonic"][0.1] == 0.957
    assert said["permutation"]["transformer, cross-entropy"][0.6] == 0.784
    assert "| modular addition | 5 : 0 | 0 : 6 |" in results.reported_heads_table()
    assert results.on_unseen(0.75, 0.5) == 0.5


# --- what is recorded -------------------------------------------------------------------------


def test_nothing_recorded() -> None:
    found = results.curves([])
    assert results.recorded_so_far(found) == "not recorded yet"
    assert "not recorded yet" in results.enough_table(found)
    assert comparison.sentence(comparison.differences(found)).startswith("None of the 45")
    assert "not recorded yet" in comparison.sentence_average(comparison.averages(found))
    assert "not recorded yet" in comparison.average_table(comparison.averages(found))
    assert results.unfitted(found)["permutation"] == (0, 0)


def test_points_are_the_records_by_seed() -> None:
    other = fake_records.record({"task": "another"}, 0, {})
    found = results.curves([*some(), other])
    assert sorted(found["modular_addition"]["harmonic"]) == [0.1, 0.4]
    assert not found["genealogy"]["harmonic"]
    own = found["modular_addition"]["harmonic"][0.4]
    assert own.seeds == SEEDS
    assert own.unseen.tolist() == [0.93, 0.94, 0.99, 0.92, 0.95]
    assert results.recorded_so_far(found) == "recorded: 4 of 90 curve points, 5 seeds each"


def test_test_accuracy_is_a_mix() -> None:
    clean = results.point([record("permutation", "harmonic", 0.4, 0, 0.3, share=0.0)])
    mixed = results.point(series("genealogy", "harmonic", 0.4, [0.2, 0.4]))
    assert results.identity_error([clean, mixed]) < 1e-12
    wrong = results.Point(**(vars(mixed) | {"test": mixed.test + 0.1}))
    assert results.identity_error([wrong]) == pytest.approx(0.1)
    line = results.mix_table({"a run": mixed}).splitlines()[-1]
    assert line == "| a run | 0 | 50.0 | 100.0 | 20.0 | 50.0 | 10.0 | 60.0 |"


def test_enough() -> None:
    def curve(**unseen: float) -> dict[float, Tensor]:
        return {int(k[1:]) / 10: torch.tensor([v, 0.0]) for k, v in unseen.items()}

    fractions = (0.1, 0.2, 0.3)
    assert results.enough({}, fractions) == "not recorded yet"
    assert results.enough(curve(_1=0.2, _2=0.91, _3=0.1), fractions) == "0.2"
    assert results.enough(curve(_2=0.91), fractions) == "0.2 or less"
    assert results.enough(curve(_1=0.2, _3=0.9), fractions) == "not so far"  # 0.9 is not above
    assert results.enough(curve(_1=0.2, _2=0.3, _3=0.9), fractions) == "above 0.3"
    nothing = {0.1: torch.tensor([math.nan, 0.95, math.nan])}
    assert results.enough(nothing, [0.1]) == "above 0.1"


def test_the_table_of_what_is_enough() -> None:
    (line,) = (
        row
        for row in results.enough_table(results.curves(some())).splitlines()
        if row.startswith("| modular addition")
    )
    assert line == "| modular addition | 0.7 | 0.4 | not so far | 0.4 or less (327) |"


def test_differences_are_paired_and_corrected() -> None:
    found = results.curves(some())
    gains = comparison.differences(found)
    assert list(gains) == [("modular_addition", 0.1), ("modular_addition", 0.4)]
    ours = [0.93, 0.94, 0.99, 0.92, 0.95]
    p = ttest_rel(ours, [0.03, 0.04, 0.02, 0.05, 0.03]).pvalue
    assert gains["modular_addition", 0.4].p_value == pytest.approx(p)
    assert comparison.corrected(gains)["modular_addition", 0.4] == pytest.approx(2 * p)
    line = comparison.difference_table(gains).splitlines()[3]
    assert line.startswith("| modular addition | 0 ± 1 | – | – | +91 ± 5 \\* | –")
    said = comparison.sentence(gains)
    assert "2 comparisons that are recorded so far, of 45," in said
    assert "higher in 1 (modular addition at 0.4) and significantly lower in 0; in 1" in said


def test_only_seeds_that_both_have_are_compared() -> None:
    ours = series("genealogy", "harmonic", 0.9, [0.5, math.nan, 0.7, 0.9])
    theirs = series("genealogy", "cross-entropy", 0.9, [0.1, 0.2, 0.4])
    (gain,) = comparison.differences(results.curves(ours + theirs)).values()
    assert gain.seeds == 2
    assert gain.difference.mean == pytest.approx(0.35)
    assert not comparison.differences(results.curves(ours[:1] + theirs))
    assert not comparison.differences(results.curves(ours))


def test_averages_over_fractions() -> None:
    found = comparison.averages(results.curves(some()))
    own = found["modular_addition"]
    gain = own.gain
    assert own.fractions == (0.1, 0.4)
    assert (own.ahead, own.behind) == (5, 0)
    low = np.subtract([0.03, 0.03, 0.03, 0.04, 0.02], [0.03, 0.02, 0.04, 0.03, 0.03])
    high = np.subtract([0.93, 0.94, 0.99, 0.92, 0.95], [0.03, 0.04, 0.02, 0.05, 0.03])
    assert gain.difference.mean == pytest.approx(((low + high) / 2).mean())
    assert gain.effect == pytest.approx(((low + high) / 2).mean() / ((low + high) / 2).std(ddof=1))
    assert "higher on modular addition (1 of 5" in comparison.sentence_average(found)
    (line,) = [x for x in comparison.average_table(found).splitlines() if "modular" in x]
    assert line.startswith("| modular addition | 2 | 5 | +45.6 ±")
    assert " | 5 : 0 | " in line
    worse = results.curves(
        series("genealogy", "harmonic", 0.4, [0.1, 0.2, 0.9])
        + series("genealogy", "cross-entropy", 0.4, [0.3, 0.2, 0.5])
    )
    own = comparison.averages(worse)["genealogy"]
    assert (own.ahead, own.behind) == (1, 1)


# --- live -------------------------------------------------------------------------------------


def test_live_has_as_many_steps_at_each_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[algo.Config] = []
    train = algo.trained

    def watched(config: algo.Config, seeds: tuple[int, ...]) -> algo.Outcome:
        seen.append(config)
        return train(config, seeds)

    monkeypatch.setattr(algo, "trained", watched)
    found = live.live("parallelogram", (0.1, 0.4), "smoke", number=8)
    assert [efficiency.steps(config) for config in seen] == [8] * 4
    assert list(found) == list(algo.HEADS)
    assert found["harmonic"][0.4].seeds == live.SEEDS["smoke"]
    points = [each for along in found.values() for each in along.values()]
    assert results.identity_error(points) < 1e-6
    with pytest.raises(ValueError, match="profile"):
        live.live("parallelogram", (0.1,), "quik")
    with pytest.raises(ValueError, match="task"):
        live.live("parallelograms", (0.1,), "smoke")


def test_what_follows_grows_to_everything() -> None:
    found = live.following((1, 25, 100), seeds=(0, 52))
    few, more, every = (each.mean() for each in found.values())
    assert few == pytest.approx(1225 / 7225, abs=0.01)  # a = b or a = c: the equation 0 = 0
    assert few < more < every
    assert (found[100] == 1).all()


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_the_recorded_figure_shows_every_seed_and_says_what_is_missing() -> None:
    found = results.curves(some())
    short = found["modular_addition"]["harmonic"][0.4]
    short.train[1] = 0.5
    leak = {name: efficiency.leaks(name) for name in algo.NAMES}
    floor = {name: majority(name) for name in algo.NAMES}
    axes = figures.recorded(found, leak, floor).axes
    assert len({each.get_ylim() for each in axes}) == 1
    left, right = axes[2:4]
    marks = [line for line in right.lines if line.get_marker() == "s"]
    found_heights = sorted(heights(line)[0] for line in marks)
    assert found_heights == pytest.approx([2, 3, 3, 3, 4, 92, 93, 94, 95, 99])
    hollow = [line for line in marks if line.get_markerfacecolor() == "none"]
    assert [heights(line)[0] for line in hollow] == pytest.approx([94])
    medians = [line for line in right.lines if label(line) == "harmonic"]
    np.testing.assert_allclose(heights(medians[0]), [3, 94])
    (dashed,) = (line for line in left.lines if label(line).startswith("leak"))
    np.testing.assert_allclose(
        heights(dashed), 100 * np.array(list(leak["modular_addition"].values()))
    )
    notes = [[text.get_text() for text in each.texts] for each in axes]
    assert notes == [["not recorded yet"]] * 2 + [[], []] + [["not recorded yet"]] * 6


@pytest.mark.usefixtures("style")
def test_the_reported_figure_has_one_axis() -> None:
    said = results.reported_curves()
    leak = {name: efficiency.leaks(name) for name in said}
    floor = {name: majority(name) for name in said}
    axes = reported_figure.reported(said, leak, floor).axes
    assert len({each.get_ylim() for each in axes[:5]}) == 1
    grid = {label(line): line for line in axes[0].lines}
    assert heights(grid["MLP, harmonic"])[0] == pytest.approx(95.7)
    assert grid["MLP, harmonic"].get_color() == grid["transformer, harmonic"].get_color()
    legend = axes[5].get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 6


@pytest.mark.usefixtures("style")
def test_the_live_figure() -> None:
    curves = {"harmonic": {30: torch.tensor([0.1, 0.2, 0.6]), 100: torch.tensor([0.9, 1.0, 1.0])}}
    (axes,) = figures.live(curves, 0.05, {10: torch.tensor([0.2, 0.4])}, 22).axes
    lines = {label(line): line for line in axes.lines}
    np.testing.assert_allclose(heights(lines["harmonic"]), [20, 100])
    np.testing.assert_allclose(heights(lines["follows from the training facts"]), [30])
    assert list(axes.get_xticks()) == [22, 30, 100]
    plt.close()
    (bare,) = figures.live(curves, 0.05).axes
    assert "22 facts" not in {label(line) for line in bare.lines}
