"""The sweep over distances and exponents: what it runs, and that its records are complete."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

import harmonic_lib as hl
from harmonic_lib.chapters.distances.common import results
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.record import config_hash
from harmonic_lib.experiments import distance_sweep as sweep
from harmonic_lib.experiments.heads import forms
from harmonic_lib.training import accuracy


def test_every_form_of_every_distance_is_in_it() -> None:
    assert len(forms()) >= 20
    assert {name for name, _ in forms().values()} == set(hl.DISTANCES)
    for label in forms():
        head = sweep.build(sweep.config(label, 8.0, "smoke"), sweep.digits(), seed=0)
        assert head(sweep.digits().x[:3]).isfinite().all()


def test_prototypes_start_at_images_of_their_class_or_at_noise() -> None:
    data = sweep.digits()
    head = sweep.build(sweep.config("euclidean", 8.0, "smoke"), data, seed=3)
    for k, w in enumerate(head.weight.detach()):
        assert (data.x[data.y == k] == w).all(1).any()
    noise = sweep.build(sweep.config("euclidean", 8.0, "smoke", "noise"), data, seed=3)
    assert float(noise.weight.detach().std()) == pytest.approx(1 / 32, rel=0.1)


def test_no_image_is_both_trained_on_and_judged_by() -> None:
    data = sweep.digits()
    sizes = [len(part) for part in (data.y, data.y_validation, data.y_test)]
    assert sizes == [1149, 288, 360]
    rows = torch.cat([data.x, data.x_validation, data.x_test])
    assert len(rows.unique(dim=0)) >= len(rows) - 3  # scikit-learn's set has few doubles


def test_a_seed_gives_the_same_alone_and_among_others() -> None:
    config = sweep.config("manhattan", 8.0, "smoke")
    alone = sweep.train(config, [1]).heads[0].weight
    among = sweep.train(config, [0, 1]).heads[1].weight
    torch.testing.assert_close(alone, among, rtol=1e-4, atol=1e-5)


def test_training_helps() -> None:
    longer = replace(sweep.config("euclidean", 16.0, "smoke"), epochs=8)
    data = sweep.digits()
    before = accuracy(sweep.build(longer, data, 0), data.x_test, data.y_test)
    assert before < sweep.train(longer, [0]).measurements[0].metrics["test_accuracy"] > 0.9


def test_the_best_exponent_is_chosen_by_validation_and_the_smaller_of_equals() -> None:
    def runs(validation: float, test: float) -> list[Measurement]:
        run = sweep.train(sweep.config("euclidean", 2.0, "smoke"), [0]).measurements[0]
        metrics = {"validation_accuracy": validation, "test_accuracy": test}
        return [replace(run, metrics=metrics)] * 2

    chosen = results.best({1.0: runs(0.8, 0.9), 4.0: runs(0.9, 0.5), 16.0: runs(0.9, 0.6)})
    assert chosen == 4.0


@pytest.mark.parametrize("label", forms())
def test_every_form_has_its_records(label: str) -> None:
    for start in sweep.STARTS:
        runs = results.recorded(label, start)
        assert list(runs) == [c.exponent for c in sweep.sweep(label, "full", start)]
        for each in runs.values():
            assert sorted(record.seed for record in each) == list(sweep.SEEDS["full"])


def test_no_record_is_of_something_else() -> None:
    known = {config_hash(asdict(config)) for config in sweep.configs("full")}
    assert len(known) == len(sweep.configs("full"))
    assert {record.config_hash for record in results.every_record()} == known


def test_a_run_gives_one_measurement_per_seed() -> None:
    config = sweep.configs("smoke")[-1]
    assert [each.seed for each in sweep.run(config, [3, 5])] == [3, 5]
    assert sweep.claim_of(config) == ""


def test_the_table_has_the_accuracy_at_the_exponent_chosen_by_validation() -> None:
    runs = results.recorded("cosine")
    n = results.best(runs)
    accuracies = [100 * record.metrics["test_accuracy"] for record in runs[n]]
    head, _, line = results.table(["cosine"]).splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == head.count("|") - 1
    assert cells[:2] == ["cosine", f"{n:g}"]
    assert cells[2].startswith(f"{sum(accuracies) / 5:.1f}\u00a0±")
