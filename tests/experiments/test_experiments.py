"""The experiments at their smallest, and the closed forms of what they should find."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harmonic_lib import cli
from harmonic_lib.chapters.intro import first_picture
from harmonic_lib.chapters.theory.why_not_softmax import live
from harmonic_lib.data import LabelledImages, load
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.evidence.store import read, recorded
from harmonic_lib.experiments import pixel_classifiers, registry

# --- toy points -----------------------------------------------------------------------------

with_each_set_of_points = pytest.mark.parametrize("points", live.POINTS)


@pytest.fixture
def toy_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, int], live.Run]:
    def run(points: str, head: str, steps: int) -> live.Run:
        monkeypatch.setitem(live.STEPS, "smoke", steps)
        return live.run(points, head, "smoke")

    return run


@with_each_set_of_points
@pytest.mark.parametrize("head", live.HEADS)
def test_a_toy_run_is_looked_at_from_its_first_to_its_last_step(points: str, head: str) -> None:
    run = live.run(points, head, "smoke")
    looks = len(run.steps)
    assert run.steps[[0, -1]].tolist() == [0, live.STEPS["smoke"]]
    assert (run.steps.diff() > 0).all()
    assert run.loss.shape == run.accuracy.shape == run.norm.shape == (looks,)
    assert len(run.heads) == looks
    assert run.loss[-1] < run.loss[0]


def test_a_toy_run_remembers_its_heads() -> None:
    run = live.run("five points", "harmonic", "smoke")
    y = torch.arange(5)
    for step, loss, norm in zip(run.steps, run.loss, run.norm, strict=True):
        head = run.at(int(step))
        assert F.cross_entropy(head(run.points), y).item() == pytest.approx(float(loss))
        assert float(head.weight.detach().norm()) == pytest.approx(float(norm))
    assert run.at(10**9) is run.heads[-1]
    between = int(run.steps[-1]) - 1
    assert run.at(between) is run.heads[int((run.steps <= between).sum()) - 1]


@with_each_set_of_points
def test_harmonic_prototypes_end_on_the_points(
    points: str, toy_run: Callable[[str, str, int], live.Run]
) -> None:
    run = toy_run(points, "harmonic", 900)
    torch.testing.assert_close(run.heads[-1].weight.detach(), run.points, rtol=0, atol=1e-4)
    assert run.accuracy[-1] == 1
    assert run.loss[-1] < 1e-9


def test_without_a_bias_the_centre_is_never_told_apart(
    toy_run: Callable[[str, str, int], live.Run],
) -> None:
    run = toy_run("five points", "cross-entropy, no bias", 300)
    assert run.accuracy[-1] == pytest.approx(0.8)
    assert run.loss.min() > math.log(5) / 5


def test_epsilon_is_all_that_the_floored_head_adds() -> None:
    head = live.FlooredHead(2, 3, exponent=live.EXPONENT).double()
    x = torch.randn(4, 2, dtype=torch.float64)
    squared = ((x[:, None] - head.weight) ** 2).sum(-1)
    torch.testing.assert_close(head(x), -(squared + 1e-6).log())


@pytest.mark.parametrize(
    ("points", "closed_form"),
    # log(1 + s) is s: eps/8 for two points; for five 4 eps in the centre, 2.25 eps outside
    [("two points", 1.25e-7), ("five points", 2.6e-6)],
)
def test_the_floor_of_the_loss_in_closed_form(points: str, closed_form: float) -> None:
    x = torch.tensor(live.POINTS[points], dtype=torch.float64)
    assert live.loss_floor(x) == pytest.approx(closed_form, rel=1e-5)


@with_each_set_of_points
@pytest.mark.parametrize(("exponent", "epsilon"), [(2.0, 1e-6), (1.0, 1e-2), (5.0, 0.3)])
def test_the_floor_of_the_loss_by_brute_force(points: str, exponent: float, epsilon: float) -> None:
    x = np.array(live.POINTS[points])
    squared = ((x[:, None] - x) ** 2).sum(-1) + epsilon
    power = squared ** (-exponent / 2)
    losses = -np.log(np.diag(power / power.sum(1)))
    ours = live.loss_floor(torch.tensor(x), exponent, epsilon)
    assert ours == pytest.approx(losses.mean(), rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("to points", "harmonic"), "unknown set of points 'to points'; did you mean 'two points'"),
        (("two points", "harmonics"), "unknown head 'harmonics'; did you mean 'harmonic'"),
        (("two points", "harmonic", "quik"), "unknown profile 'quik'; did you mean 'quick'"),
    ],
)
def test_an_unknown_name_of_a_toy_run(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        live.run(*arguments)


# --- the first picture ----------------------------------------------------------------------


def test_the_clouds_lie_around_their_centres() -> None:
    x, y = first_picture.clouds(a_class=2000)
    for k, centre in enumerate(first_picture.CENTRES):
        torch.testing.assert_close(x[y == k].mean(0), centre, rtol=0, atol=0.05)
        assert float((x[y == k] - centre).std()) == pytest.approx(0.6, rel=0.05)


def test_both_heads_of_the_first_picture_tell_the_clouds_apart() -> None:
    x, y = first_picture.clouds()
    for head in first_picture.train(x, y, steps=200).values():
        assert (head(x).argmax(-1) == y).float().mean() > 0.9


def test_the_first_picture_can_be_drawn_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_picture, "train", partial(first_picture.train, steps=2))
    first_picture.save(str(tmp_path / "picture.svg"))
    assert "<svg" in (tmp_path / "picture.svg").read_text()


# --- pixel classifiers ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``harmonic run pixel_classifiers --profile smoke`` writes."""
    folder = tmp_path_factory.mktemp("results")
    assert cli.main(smoke_run(folder)) == 0
    return folder


@pytest.fixture
def smoke(results: Path) -> list[Record]:
    return read(results / "pixel_classifiers.jsonl")


@pytest.fixture
def few_digits() -> tuple[LabelledImages, LabelledImages]:
    return tuple(  # type: ignore[return-value]
        replace(part, images=part.images[:200], labels=part.labels[:200])
        for part in (load("digits", "train"), load("digits", "test"))
    )


def smoke_run(folder: Path) -> list[str]:
    return ["run", "pixel_classifiers", "--profile", "smoke", "--results", str(folder)]


def test_a_record_for_each_configuration_and_seed(smoke: list[Record]) -> None:
    configs = [pixel_classifiers.config(head, "smoke") for head in pixel_classifiers.HEADS]
    configs += pixel_classifiers.sweep("smoke")
    expected = {(config_hash(asdict(c)), s) for c in configs for s in (0, 1)}
    runs = [(record.config_hash, record.seed) for record in smoke]
    assert len(set(runs)) == len(runs)
    assert expected <= set(runs)


def test_a_record_has_all_its_fields(smoke: list[Record]) -> None:
    for record in smoke:
        assert record.experiment == "pixel_classifiers"
        assert record.metrics.keys() == {"test_accuracy", "train_loss", "prototype_alignment"}
        assert 0.5 < record.metrics["test_accuracy"] <= 1
        assert math.isfinite(record.metrics["train_loss"])
        assert -1 <= record.metrics["prototype_alignment"] <= 1
        assert record.data.keys() == {"train", "test"}
        assert record.duration_s > 0
        assert record.device
        assert record.versions


def test_a_record_names_its_data(smoke: list[Record]) -> None:
    for record in smoke:
        for split, digest in record.data.items():
            assert load(record.config["dataset"], split).digest() == digest


def test_a_sample_stands_beside_no_claim(smoke: list[Record]) -> None:
    assert {record.claim for record in smoke} == {""}


def test_one_seed_gives_what_it_gave_among_others(smoke: list[Record]) -> None:
    (chosen,) = (c for c in pixel_classifiers.sweep("smoke") if c.exponent == 64)
    (alone,) = pixel_classifiers.run(chosen, [1])
    digest = config_hash(asdict(chosen))
    among = next(r for r in smoke if (r.config_hash, r.seed) == (digest, 1))
    assert (alone.seed, alone.data) == (among.seed, among.data)
    # alone it is another batched computation: equal up to rounding
    assert alone.metrics == pytest.approx(among.metrics, rel=1e-2)


def test_the_operations_of_the_linear_head_are_counted(smoke: list[Record]) -> None:
    """Forward, and the gradient of the weight: twice 2 x images x pixels x classes an epoch."""
    (record,) = (r for r in smoke if r.config["distance"] is None and r.seed == 0)
    assert record.flops == 2 * 2 * 6000 * 784 * 10
    assert all(r.flops is None for r in smoke if r.config["distance"] == "manhattan")


def test_every_reported_head_has_committed_records_of_the_full_protocol() -> None:
    committed = recorded("pixel_classifiers")
    for head, (_, _, claim) in pixel_classifiers.HEADS.items():
        today = config_hash(asdict(pixel_classifiers.config(head, "full")))
        seeds = [r.seed for r in committed if r.claim == claim and r.config_hash == today]
        assert sorted(seeds) == sorted(pixel_classifiers.SEEDS["full"])


def test_heads_of_one_seed_begin_with_the_same_weights() -> None:
    configs = [pixel_classifiers.config(head, "quick") for head in pixel_classifiers.HEADS]
    first, *others = (pixel_classifiers.build(c, 6, 3, seed=1).weight for c in configs)
    for weight in others:
        assert torch.equal(weight, first)
    assert not torch.equal(pixel_classifiers.build(configs[0], 6, 3, seed=2).weight, first)


def test_first_weights_have_the_deviation_of_the_protocol() -> None:
    head = pixel_classifiers.build(pixel_classifiers.config("euclidean", "full"), 784, 100, 0)
    assert float(head.weight.detach().std()) == pytest.approx(1 / 32, rel=0.02)


def test_the_cross_entropy_head_begins_with_a_bias_of_zero() -> None:
    head = pixel_classifiers.build(pixel_classifiers.config("cross-entropy", "quick"), 6, 3, 0)
    assert isinstance(head, nn.Linear)
    assert (head.bias == 0).all()


def test_the_outcome_holds_the_heads_that_were_measured(
    few_digits: tuple[LabelledImages, LabelledImages],
) -> None:
    train_set, test_set = few_digits
    config = pixel_classifiers.sweep("smoke")[-1]
    outcome = pixel_classifiers.train(config, [5, 6], train_set, test_set)
    assert [each.seed for each in outcome.measurements] == [5, 6]
    for head, reached in zip(outcome.heads, outcome.accuracies, strict=True):
        answers = head(test_set.images.flatten(1)).argmax(-1)
        assert reached == np.mean((answers == test_set.labels).numpy())


def test_only_the_full_protocol_stands_beside_a_claim() -> None:
    full = pixel_classifiers.config("manhattan", "full")
    assert pixel_classifiers.claim_of(full) == "mnist-pixel-manhattan"
    assert pixel_classifiers.claim_of(replace(full, epochs=1)) == ""
    assert pixel_classifiers.claim_of(replace(full, complete=False)) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("euclid", "quick"), "unknown head 'euclid'; did you mean 'euclidean'"),
        (("euclidean", "fulll"), "unknown profile 'fulll'; did you mean 'full'"),
    ],
)
def test_an_unknown_name_of_a_configuration(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pixel_classifiers.config(*arguments)


def test_an_unknown_experiment_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'pixel_classifiers'"):
        registry.by_name("pixel_classifier")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pixel_clasifiers"], "unknown experiment 'pixel_clasifiers'"),
        (["pixel_classifiers", "--profile", "smok"], "unknown profile 'smok'"),
        (["pixel_classifiers", "--profile", "full", "--root", "no such folder"], "no such folder"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_download(*_: object, **__: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr("harmonic_lib.data.mnist.torchvision_part", no_download)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", *arguments, "--results", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("harmonic run: ")
    assert message in error
    assert not list(tmp_path.rglob("*.jsonl"))
