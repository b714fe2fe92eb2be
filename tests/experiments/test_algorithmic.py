"""The experiment on algorithmic tasks: its protocols, its records, and an ensemble's fairness."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from harmonic_lib.data.tasks import task
from harmonic_lib.evidence.reported import claims, reported
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.experiments.algorithmic import training

SHORT = {"epochs": 3}
SEEDS = (0, 52, 105)


def test_the_released_seeds() -> None:
    expected = "0 52 105 157 210 263 315 368 421 473 526 578 631 684 736 789 842 894 947 1000"
    assert algo.SEEDS["full"] == tuple(map(int, expected.split()))


def test_every_profile_runs_each_configuration_once() -> None:
    for profile in algo.SEEDS:
        chosen = algo.configs(profile)
        assert len(chosen) == len(set(chosen)) >= 15
    with pytest.raises(ValueError, match="profile"):
        algo.configs("quik")


def test_what_repeats_a_reported_run_says_so() -> None:
    known = claims()
    named = {algo.claim_of(config) for config in algo.configs("full")} - {""}
    assert named <= known
    assert {f"{name.replace('_', '-')}-mlp-harmonic" for name in algo.NAMES} <= named
    assert set(algo.CASES) <= named
    assert algo.claim_of(algo.like_for_like("permutation", None)) == ""


def test_the_released_protocol() -> None:
    mlp = algo.as_released("genealogy", "harmonic")
    assert (mlp.epochs, mlp.batch_size, mlp.lr, mlp.weight_decay) == (7000, 32, 2e-3, 0.01)
    assert (mlp.distance, mlp.exponent, mlp.fraction) == ("euclidean", 2.0, 0.8)
    assert mlp.task == "genealogy_as_released"
    long = algo.as_released("permutation", "cross-entropy", "transformer")
    assert (long.epochs, long.weight_decay) == (10_000, 0.005)
    case = algo.case_study("case-study-cross-entropy-decay")
    assert (case.epochs, case.lr, case.weight_decay, case.head) == (
        2000,
        1e-3,
        0.5,
        "cross-entropy",
    )


@pytest.mark.parametrize("head", algo.HEADS)
def test_a_seed_among_others_is_that_seed_alone(head: str) -> None:
    """After 69 steps in float32, to 1e-4 of each weight's scale; answers are the same."""
    config = replace(algo.as_released("modular_addition", head), **SHORT)
    together = algo.trained(config, SEEDS)
    for s, seed in enumerate(SEEDS):
        alone = algo.trained(config, (seed,))
        pairs = zip(together.members[s].parameters(), alone.members[0].parameters(), strict=True)
        for ours, own in pairs:
            torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-5)
        for name, value in alone.measurements[0].metrics.items():
            assert together.measurements[s].metrics[name] == pytest.approx(
                value, abs=1e-3, nan_ok=True
            )


def test_a_run_measures_what_the_reported_rows_ask_for() -> None:
    config = algo.as_released("equivalence", "harmonic")
    short = replace(config, **SHORT)
    (measured,) = algo.run(short, (52,))
    rows = [r for r in reported("algorithmic") if r.claim == algo.claim_of(config)]
    assert rows
    assert {row.metric for row in rows} <= set(measured.metrics)
    assert (measured.seed, algo.claim_of(short)) == (52, "")
    assert math.isnan(measured.metrics["test_epoch_90"])  # three epochs are fewer than twenty
    assert measured.flops == pytest.approx(3 * 800 * 6 * 5764, rel=0.2)  # 6 a weight and row


def test_drawn_facts_leak_and_a_clean_split_does_not() -> None:
    drawn = algo.like_for_like("modular_addition", None, epochs=2, fraction=0.8, drawn=True)
    clean = algo.like_for_like("modular_addition", None, epochs=2)
    (leaky,), (whole,) = algo.run(drawn, (0,)), algo.run(clean, (0,))
    assert leaky.metrics["seen_share"] == pytest.approx(0.56, abs=0.08)
    assert whole.metrics["seen_share"] == 0
    assert math.isnan(whole.metrics["seen_accuracy"])
    assert whole.metrics["unseen_accuracy"] == pytest.approx(whole.metrics["test_accuracy"])


def test_memory_alone_answers_what_was_seen_and_nothing_else() -> None:
    """150 draws of modular addition: cross-entropy learns them by heart."""
    config = algo.like_for_like("modular_addition", None, epochs=150, fraction=0.15, drawn=True)
    (record,) = algo.run(config, (0,))
    assert record.metrics["train_accuracy"] == 1
    assert record.metrics["seen_accuracy"] == 1
    assert record.metrics["unseen_accuracy"] < 0.2


def test_a_harmonic_head_makes_a_plane_of_the_grid() -> None:
    config = algo.like_for_like("parallelogram", "euclidean", 2.0, epochs=25)
    (record,) = algo.run(config, (0,))
    assert record.metrics["test_accuracy"] > 0.99
    assert record.metrics["ev_2"] > 0.99
    assert record.metrics["parallelogram_error"] < 0.1


def test_the_embeddings_are_those_of_the_tokens_that_the_task_orders() -> None:
    facts = task("genealogy")
    table = torch.zeros(130, 16)
    table[1:127] = torch.randn(126, 16)
    expected = algo.measured(facts, table)
    table[127:] = 1e6  # relations do not count
    assert algo.measured(facts, table) == expected


def test_a_released_transformer_is_tested_with_its_dropout_on() -> None:
    released = algo.as_released("modular_addition", "cross-entropy", "transformer")
    ours = algo.like_for_like("modular_addition", None, model="transformer")
    facts = task("modular_addition")
    for config, same in ((released, False), (ours, True)):
        ensemble = training.Ensemble([algo.build(config, facts, 0)])
        x = facts.x.unsqueeze(0)
        first, second = (algo.answers(ensemble, config, x) for _ in range(2))
        assert torch.equal(first, second) == same
        assert not ensemble.training


class Elsewhere(nn.Module):
    """Stands for an ensemble on another device: it takes what lies there alone."""

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.empty(2, 31, 16, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.is_meta
        return torch.eye(31).expand(2, 31, 31)


def test_questions_are_taken_to_the_ensemble() -> None:
    x = torch.zeros(2, 31, 2, dtype=torch.int64)
    found = algo.answers(Elsewhere(), algo.as_released("modular_addition", "harmonic"), x)  # type: ignore[arg-type]
    assert found.tolist() == [list(range(31))] * 2
