"""The leak: formulas against every sequence of draws, tables, kinds of facts, and comparisons."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import asdict

import fake_records
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel, wilcoxon
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import comparison, reported, splits
from harmonic_lib.chapters.algorithmic.leak import figures, live, proofs, results
from harmonic_lib.data.tasks import task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic as algo


def remember(x: Tensor, y: Tensor, x_new: Tensor) -> Tensor:
    """The answer that was given in training, else the commonest."""
    same = (x_new.unsqueeze(1) == x).all(-1)
    commonest = y.bincount().argmax()
    return torch.where(same.any(1), y[same.int().argmax(1)], commonest)


def forget(x: Tensor, y: Tensor, x_new: Tensor) -> Tensor:
    """A memory that loses the second half of what it learnt."""
    half = len(x) // 2
    return remember(x[:half], y[:half], x_new)


def record(config: algo.Config, seed: int, accuracy: float, epoch: float) -> Record:
    metrics = {"test_accuracy": accuracy, "test_epoch_90": epoch}
    return fake_records.record(asdict(config), seed, metrics, experiment="algorithmic")


# --- propositions -----------------------------------------------------------------------------


def test_the_expected_leak_is_exact_and_needs_replacement() -> None:
    assert proofs.leak_violation() < 1e-12
    assert proofs.leak_violation(lambda m, draws: 1 - math.exp(-draws / m)) > 0.01
    assert proofs.leak_violation(lambda m, draws: draws / m) > 0.1
    assert proofs.leak_violation(replace=False) > 0.1


def test_the_three_kinds_are_exact() -> None:
    assert proofs.kinds_violation() < 1e-12

    def independent(facts: int, draws: int) -> tuple[float, float, float]:
        seen = splits.expected_leak(facts, draws)
        return seen, (1 - seen) * seen, (1 - seen) ** 2

    assert proofs.kinds_violation(independent) > 0.01


def test_a_memory_scores_what_is_proved_unless_it_forgets() -> None:
    assert proofs.memory_violation(remember) < 1e-12
    assert proofs.memory_violation(forget) > 0.1


# --- splits and tables ------------------------------------------------------------------------


@pytest.mark.parametrize("name", algo.NAMES)
def test_the_released_splits_leak_as_expected(name: str) -> None:
    found = splits.drawn(name, 0.8)
    facts = len(task(splits.RELEASED[name]).y)
    if name == "permutation":
        assert found.leak.tolist() == [0] * 20
        assert set(found.new.tolist()) == {116}
        return
    expected = splits.expected_leak(facts, 800)
    error = float(found.leak.std()) / 20**0.5
    assert float(found.leak.mean()) == pytest.approx(expected, abs=3 * error)
    assert float(found.trained.mean()) == pytest.approx(facts * expected, rel=0.01)


def test_a_table_is_not_far_from_the_leak() -> None:
    seen, right = splits.drawn("genealogy", 0.8), results.memory("genealogy", 0.8, remember)
    assert (right >= seen.leak).all()
    assert (right - seen.leak).max() < 0.05
    assert results.memory("equivalence", 0.1, remember).mean() == pytest.approx(0.81, abs=0.02)
    assert splits.majority("equivalence") == 0.8
    assert splits.majority("modular_addition") == pytest.approx(1 / 31)
    assert splits.majority("permutation") == pytest.approx(1 / 24)


def test_the_fewest_facts_that_are_needed() -> None:
    """0 where the leak alone is above the level; more levels need more facts."""
    seeds = algo.SEEDS["full"]
    seen = splits.drawn("genealogy", 0.8, seeds)
    few = splits.facts_needed("genealogy", 0.8, 0.9, seeds)
    assert ((few == 0) == (seen.leak > 0.9)).all()
    assert (splits.facts_needed("genealogy", 0.8, 0.95, seeds) > few).all()
    almost = splits.facts_needed("genealogy", 0.8, 0.9999, seeds)
    assert (almost == seen.new).all()  # all right: every new fact is needed


# --- kinds of facts ---------------------------------------------------------------------------


def test_kinds_of_pairs() -> None:
    x = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    kinds = live.kinds_of(x, torch.tensor([[0, 1], [2, 2], [1, 2], [2, 1]]))
    found = {kind: x[mask].tolist() for kind, mask in kinds.items()}
    assert found == {
        "trained on": [[0, 1], [1, 2], [2, 1], [2, 2]],
        "mirror only": [[1, 0]],
        "new": [[0, 0], [0, 2], [1, 1], [2, 0]],
    }


def test_live_runs_and_their_kinds() -> None:
    runs = live.live("smoke")
    assert list(runs) == [(f, head) for f in live.LIVE for head in algo.HEADS]
    for (fraction, _), outcome in runs.items():
        found = live.kinds(outcome)
        total = torch.stack(list(found.share.values())).sum(0)
        torch.testing.assert_close(total, torch.ones(2))
        expected = splits.expected_leak(961, round(1000 * fraction))
        assert float(found.share["trained on"].mean()) == pytest.approx(expected, abs=0.04)
        assert all(((a >= 0) & (a <= 1)).all() for a in found.accuracy.values())
    with pytest.raises(ValueError, match="profile"):
        live.live("quik")


def test_the_kinds_say_whether_answers_are_right() -> None:
    """A network that adds is right on all kinds; one that always says 0, on the sums that are."""
    outcome = live.live("smoke")[0.8, "cross-entropy"]

    class Adds(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.one_hot(x.sum(1) % 31, 31)

    class Zero(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.eye(31)[torch.zeros(len(x), dtype=torch.int64)]

    right = live.kinds(dataclasses.replace(outcome, members=[Adds(), Adds()]))
    assert all((a == 1).all() for a in right.accuracy.values())
    zero = live.kinds(dataclasses.replace(outcome, members=[Zero(), Zero()]))
    of_all = sum(zero.accuracy[kind] * zero.share[kind] for kind in zero.share)
    torch.testing.assert_close(of_all, torch.full((2,), 1 / 31))


# --- comparisons ------------------------------------------------------------------------------


def runs_of(
    name: str, gain: float, epochs: int = 1500, seeds: tuple[int, ...] = algo.SEEDS["full"]
) -> list[Record]:
    """Records of both heads: cross-entropy never gets there, the other is better by ``gain``."""
    noise = torch.randn(len(seeds), generator=torch.Generator().manual_seed(0)) / 50
    configs = comparison.pair(name, epochs)
    found = []
    for e, seed in zip(noise.tolist(), seeds, strict=True):
        found.append(record(configs["cross-entropy"], seed, 0.5, math.nan))
        found.append(record(configs["harmonic"], seed, 0.5 + gain + e, 100.0 + seed))
    return found


def test_a_comparison_of_records_is_paired_and_corrected() -> None:
    rows = runs_of("genealogy", 0.2) + runs_of("permutation", 0.0)
    found = comparison.comparisons("quick", rows, small=())
    assert [name for name, each in found.items() if each] == ["genealogy", "permutation"]
    one = found["genealogy"]
    assert one is not None
    ours, theirs = one.accuracy["harmonic"], one.accuracy["cross-entropy"]
    assert one.difference.p_value == pytest.approx(ttest_rel(ours, theirs).pvalue)
    assert one.difference.wilcoxon == pytest.approx(wilcoxon(ours - theirs).pvalue)
    assert one.sooner == (20, 0, pytest.approx(2 * 0.5**20))
    corrected = comparison.corrected(found.values())
    assert corrected["genealogy"][0] == pytest.approx(2 * one.difference.p_value)
    words = comparison.sentence(found.values())
    assert (
        "is significantly higher on genealogy; neither significantly higher nor lower on" in words
    )
    assert words.endswith(
        "on permutation (2 of the 5 tasks compared; level 5 %, Holm's correction)"
    )
    words = comparison.sentence_sooner(found.values())
    assert "cross-entropy significantly more often on genealogy and permutation (2 of" in words


def test_a_sentence_says_lower_where_it_is_lower() -> None:
    rows = [row for name in algo.NAMES for row in runs_of(name, -0.2)]
    words = comparison.sentence(comparison.comparisons("quick", rows, small=()).values())
    expected = "lower on parallelogram, modular addition, equivalence, genealogy and permutation ("
    assert f"is significantly {expected}5 of the 5" in words
    assert "higher" not in words


def test_half_a_recording_is_none_and_small_tasks_are_trained_instead() -> None:
    rows = runs_of("genealogy", 0.2, seeds=(0, 52, 105))
    assert comparison.comparisons("smoke", rows, small=())["genealogy"] is None
    now = comparison.comparisons("smoke", rows, small=("genealogy",))["genealogy"]
    assert now is not None
    assert (now.source, now.epochs, len(now.epoch["harmonic"])) == ("this page", 3, 2)
    assert now.sooner == (0, 0, 1.0)  # three epochs: nobody comes
    assert "on genealogy (this page: 2 seeds, 3 epochs)" in comparison.sentence([now])
    assert comparison.sentence([None] * 5).endswith("test accuracy is not recorded yet on any task")


def test_a_comparison_needs_common_seeds() -> None:
    rows = runs_of("genealogy", 0.2, seeds=(0,))
    by_head = {"cross-entropy": rows[:1], "harmonic": rows[1:]}
    with pytest.raises(ValueError, match="two common seeds"):
        comparison.compared("genealogy", "recorded", 1500, by_head)


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_the_collapse_draws_means_ranges_and_the_curve() -> None:
    seeds = torch.tensor([0.2, 0.4])
    figure = figures.collapse({"t": {0.1: seeds, 0.5: seeds}}, {"t": (0.3, 0.35)})
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.1, 0.2], [0.1, 0.4]])
    np.testing.assert_allclose(axes.lines[2].get_xydata(), [[0.1, 0.3], [0.5, 0.3]])
    np.testing.assert_allclose(axes.lines[3].get_xydata(), [[0.3, 0.35]])
    x, y = axes.lines[4].get_data()
    np.testing.assert_allclose(y, 1 - np.exp(-np.asarray(x)), rtol=1e-5)
    plt.close(figure)


@pytest.mark.usefixtures("style")
def test_kinds_are_dots_and_means() -> None:
    seeds = torch.tensor([0.2, 0.4, 0.9])
    figure = figures.kinds({"r": {"new": seeds}, "s": {"new": seeds}}, 1 / 31)
    mean, dots, chance = figure.axes[0].lines
    np.testing.assert_allclose(mean.get_ydata(), [0.5, 0.5])
    np.testing.assert_allclose(dots.get_ydata(), seeds)
    np.testing.assert_allclose(chance.get_ydata(), 1 / 31)
    plt.close(figure)


def test_the_reported_curve_has_the_main_run() -> None:
    """Typed from the marks of figure 14b of Baek et al. 2025."""
    curve = reported.reported_curve("genealogy", "harmonic")
    assert list(curve) == list(reported.REPORTED)
    assert (curve[0.4], curve[0.8]) == (0.853, 0.995)
    assert reported.reported_curve("modular_addition", "harmonic", "transformer")[0.9] == 0.81
