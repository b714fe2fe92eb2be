"""Reported numbers: what is read, what is refused, and spot checks against the papers."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from pathlib import Path

import pytest

from harmonic_lib.evidence.reported import (
    COLUMNS,
    EXACTNESS,
    STATISTICS,
    Reported,
    claims,
    every_reported,
    read_folder,
    reported,
)
from harmonic_lib.paths import data_dir

GOOD = {
    "claim": "a-mlp-harmonic",
    "baseline": "",
    "metric": "ev_2",
    "statistic": "mean",
    "value": "86.8",
    "unit": "%",
    "runs": "20",
    "exactness": "printed",
    "source": "a paper, Figure 1",
    "protocol": "80 % to train, 7000 epochs",
    "tolerance": "0.5",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_what_stands_in_a_row_is_read(tmp_path: Path) -> None:
    write(tmp_path / "one.csv", GOOD, GOOD | {"statistic": "max", "tolerance": ""})
    (first, second) = read_folder(tmp_path)["one"]
    assert first == Reported(
        "a-mlp-harmonic",
        "",
        "ev_2",
        "mean",
        86.8,
        "%",
        20,
        "printed",
        "a paper, Figure 1",
        "80 % to train, 7000 epochs",
        0.5,
    )
    assert second.tolerance is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"claim": ""}, "claim is empty"),
        ({"metric": " "}, "metric is empty"),
        ({"unit": ""}, "unit is empty"),
        ({"source": ""}, "source is empty"),
        ({"protocol": ""}, "protocol is empty"),
        ({"statistic": "medain"}, "unknown statistic 'medain'; did you mean 'median'?"),
        ({"exactness": "print"}, "unknown exactness 'print'; did you mean 'printed'?"),
        ({"value": "86,8"}, "value must be a finite number, got '86,8'"),
        ({"value": "nan"}, "value must be a finite number, got 'nan'"),
        ({"runs": "-1"}, "runs must be a whole number, 0 or more, got '-1'"),
        ({"runs": "2.5"}, "runs must be a whole number, 0 or more, got '2.5'"),
        ({"tolerance": "-0.5"}, "tolerance must be a finite number of at least 0, got '-0.5'"),
        ({"tolerance": "small"}, "tolerance must be a finite number of at least 0, got 'small'"),
        ({"statistic": "mean"}, "a-mlp-harmonic, ev_2, mean is already in "),
        ({"baseline": "a-mlp"}, "no row has the claim of the baseline 'a-mlp'"),
    ],
    ids=lambda value: next(iter(value.items())) if isinstance(value, dict) else "",
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, damage: dict[str, str], message: str) -> None:
    path = write(tmp_path / "one.csv", GOOD, GOOD | {"statistic": "run"} | damage)
    with pytest.raises(ValueError, match=re.escape(f"{path}:3: {message}")):
        read_folder(tmp_path)


@pytest.mark.parametrize("line", ["a-mlp-harmonic,ev_2,run", ",".join(["1"] * 12)])
def test_a_row_of_another_length_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "one.csv", GOOD)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}:3: a row must have 11 fields")):
        read_folder(tmp_path)


@pytest.mark.parametrize("change", ["missing", "unknown", "empty file"])
def test_other_columns_are_refused(tmp_path: Path, change: str) -> None:
    row = {name: text for name, text in GOOD.items() if name != "runs"}
    path = write(tmp_path / "one.csv", row if change == "missing" else GOOD | {"note": "x"})
    if change == "empty file":
        path.write_text("")
    with pytest.raises(ValueError, match=re.escape(f"{path}:1: the columns must be ['claim'")):
        read_folder(tmp_path)


def test_a_number_that_is_in_another_file_is_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "one.csv", GOOD), write(tmp_path / "two.csv", GOOD)
    with pytest.raises(ValueError, match=re.escape(f"{second}:2: ")) as raised:
        read_folder(tmp_path)
    assert str(raised.value).endswith(f"is already in {first}:2")


def test_an_unknown_experiment_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'algorithmic'"):
        reported("algoritmic")


def test_what_is_returned_can_be_changed_without_harm() -> None:
    reported("imagenet").clear()
    every_reported().clear()
    assert reported("imagenet")


# --- the committed numbers ------------------------------------------------------------------


def test_rows_of_each_file() -> None:
    assert {name: len(rows) for name, rows in every_reported().items()} == {
        "algorithmic": 673,
        "gpt2": 10,
        "imagenet": 8,
        "language_radar": 17 * 6,
        "pixel_classifiers": 106,
        "probes": 8 * 2,
        "toy_points": 17,
        "vision_radar": 72 * 6,
    }


def test_the_readme_counts_them_too() -> None:
    text = (data_dir() / "reported" / "README.md").read_text(encoding="utf-8")
    stated = {name: int(n) for name, n in re.findall(r"^\| `(\w+)\.csv` \| (\d+) \|", text, re.M)}
    assert stated == {name: len(rows) for name, rows in every_reported().items()}


#: typed from the papers, their figures and notebooks
TYPED = """
modular-addition-mlp-harmonic               ev_2 mean 86.8
modular-addition-mlp-harmonic               ev_2 median 100
modular-addition-mlp-harmonic               ev_2 min 51
modular-addition-mlp-harmonic               ev_2_at_least_0.95 count 14
modular-addition-mlp-cross-entropy          ev_2 median 45.5
modular-addition-transformer-harmonic       ev_2_at_least_0.95 count 3
equivalence-mlp-cross-entropy               ev_2 mean 95.0
equivalence-mlp-harmonic                    ev_2 median 80.5
genealogy-mlp-harmonic                      ev_2 mean 50.7
genealogy-transformer-cross-entropy         ev_2 max 27
permutation-mlp-harmonic                    ev_2 max 86.4
permutation-transformer-harmonic            ev_2 min 26.6
parallelogram-mlp-cross-entropy             ev_2 mean 90.3
modular-addition-mlp-harmonic               test_epoch_90 median 308
modular-addition-mlp-harmonic               test_epoch_90 max 3018
modular-addition-mlp-harmonic               gap_epoch_90 median 1
modular-addition-mlp-harmonic               gap_epoch_90 max 4
modular-addition-mlp-cross-entropy          train_epoch_90 median 68
modular-addition-mlp-cross-entropy          gap_epoch_90 max 3240
modular-addition-transformer-harmonic       test_epoch_90 count 8
parallelogram-mlp-harmonic                  test_epoch_90 median 9.5
permutation-transformer-harmonic            test_epoch_90 count 0
genealogy-transformer-harmonic              gap_epoch_90 median 2829
equivalence-transformer-harmonic            test_epoch_90 min 361
modular-addition-mlp-cross-entropy          ev_6 median 0.976
genealogy-mlp-harmonic                      ev_3 median 0.702
equivalence-mlp-harmonic                    ev_2_all_tokens median 0.743
equivalence-transformer-cross-entropy       ev_10_all_tokens median 0.993
permutation-mlp-harmonic                    ev_1 median 0.197
modular-addition-mlp-harmonic-fraction-0.4  test_accuracy run 1
modular-addition-mlp-cross-entropy-fraction-0.6 test_accuracy run 0.603
parallelogram-mlp-harmonic-fraction-0.1     test_accuracy run 0.957
genealogy-mlp-harmonic-fraction-0.4         test_accuracy run 0.853
permutation-transformer-cross-entropy-fraction-0.6 test_accuracy run 0.784
modular-addition-mlp-harmonic-exponent-2    ev_2 mean 0.796
modular-addition-mlp-harmonic-exponent-2    ev_2 min 0.591
modular-addition-transformer-harmonic-exponent-4 ev_2 mean 0.655
parallelogram-transformer-harmonic-exponent-20 ev_2 mean 0.940
case-study-cross-entropy                    ev_2 run 26
case-study-cross-entropy-decay              ev_2 run 58
case-study-harmonic                         ev_2 run 100
permutation-mlp-harmonic-exponent-8-fraction-0.4 test_accuracy run 0.82
permutation-mlp-harmonic                    ev_2 run 0.5912
mnist-pixel-cross-entropy                   test_accuracy run 92.57
mnist-pixel-cosine                          test_accuracy run 92.65
mnist-pixel-euclidean                       test_accuracy run 92.30
mnist-pixel-manhattan                       test_accuracy run 90.49
mnist-pixel-minkowski-1.5                   test_accuracy run 9.80
mnist-pixel-baek-harmonic                   test_accuracy run 92.49
mnist-pixel-baek-harmonic                   train_loss_epoch_71 run 0.2495
mnist-pixel-baek-cross-entropy              train_loss_epoch_91 run 0.2285
fashion-mnist-pixel-baek-harmonic           test_accuracy run 84.60
cifar10-pixel-bray-curtis-abs               test_accuracy run 41.68
cifar10-pixel-cross-entropy                 test_accuracy run 35.81
cifar10-pixel-euclidean-earlier             test_accuracy run 41.27
cifar10-pixel-mahalanobis-diagonal-grayscale2 test_accuracy run 18.31
two-points-cross-entropy                    weight_norm run 6.55
five-points-cross-entropy                   train_loss run 0.322
gpt2-cross-entropy                          val_loss run 3.159
gpt2-harmonic                               val_loss run 3.146
imagenet-harmonic                           val_accuracy run 75.08
imagenet-cross-entropy                      val_accuracy_top_5 run 91.88
probe-cola-layer-6-harmonic                 f1_spread run 4.2
probe-sst2-layer-0-harmonic                 f1 mean 77.9
marathi-sign-mlp-cross-entropy              score_pc2_ev mean 4.75
tiny-imagenet-cnn-canberra-robust           score_emissions mean 9.52
cifar100-resnet50-cosine-stable             score_accuracy mean 10
tiny-imagenet-pvt-euclidean                 score_pca_90 mean 9.18
cifar100-pvt-canberra-robust                score_f1 mean 1.76
marathi-sign-cnn-cosine-unstable            score_duration_per_epoch_per_gflop mean 0.33
bert-0.1b-euclidean                         score_gradient_stability mean 10
gpt-0.1b-cosine-temperature-0.5             score_effective_rank mean 8.55
qwen2-0.5b-cross-entropy                    score_train_ppl mean 0.72
gpt-0.1b-minkowski-2                        score_pca_structure mean 8.13
"""


@pytest.mark.parametrize("line", TYPED.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_number_is_the_one_that_was_reported(line: str) -> None:
    claim, metric, statistic, value = line.split()
    (row,) = [
        row
        for rows in every_reported().values()
        for row in rows
        if (row.claim, row.metric, row.statistic) == (claim, metric, statistic)
    ]
    assert row.value == float(value)


ROWS = [row for rows in every_reported().values() for row in rows]


def test_every_claim_is_one_name() -> None:
    assert claims() == {row.claim for row in ROWS}
    assert all(re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", claim) for claim in claims())


def test_every_claim_has_one_baseline_which_has_none_and_is_a_claim_of_its_file() -> None:
    for rows in every_reported().values():
        baselines = {(row.claim, row.baseline) for row in rows}
        claims = dict(baselines)
        assert len(baselines) == len(claims)
        named = set(claims.values()) - {""}
        assert named
        assert {claims[name] for name in named} == {""}


def test_values_are_possible() -> None:
    for row in ROWS:
        assert row.unit != "%" or 0 <= row.value <= 100, row
        assert row.unit != "score 0-10" or 0 <= row.value <= 10, row
        assert row.statistic != "count" or 0 <= row.value <= row.runs, row
        assert row.statistic != "run" or row.runs <= 1, row
        if re.match(r"ev_\d|test_accuracy|train_accuracy", row.metric):
            assert 0 <= row.value / {"%": 100, "1": 1, "seeds": row.runs or 1}[row.unit] <= 1, row


def test_explained_variance_grows_with_the_number_of_components() -> None:
    """Also from one figure to the other, within what both allow."""
    curves: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for row in ROWS:
        found = re.fullmatch(r"ev_(\d+)(_all_tokens)?", row.metric)
        if found and row.statistic == "median":
            scale = 100 if row.unit == "%" else 1
            assert row.tolerance is not None
            curve = curves.setdefault((row.claim, found[2] or ""), {})
            curve[int(found[1])] = (row.value / scale, row.tolerance / scale)
    assert len(curves) == 20 + 4  # equivalence twice: with and without the answers
    for curve in curves.values():
        points = [curve[k] for k in sorted(curve)]
        for (low, a), (high, b) in pairwise(points):
            assert low - a <= high + b


def test_scores_have_no_tolerance_and_printed_results_have_one() -> None:
    for row in ROWS:
        if row.exactness == "rescaled score":
            assert row.tolerance is None
        elif row.exactness == "printed" and row.unit not in ("s", "1/s"):
            assert row.tolerance is not None


def test_both_heads_are_reported_for_every_task_and_model() -> None:
    for task in ("parallelogram", "modular-addition", "equivalence", "genealogy", "permutation"):
        for model in ("mlp", "transformer"):
            for head in ("cross-entropy", "harmonic"):
                assert f"{task}-{model}-{head}" in claims()


def test_the_columns_are_explained() -> None:
    text = (data_dir() / "reported" / "README.md").read_text(encoding="utf-8")
    for name in (*COLUMNS, *STATISTICS, *EXACTNESS):
        assert f"`{name}`" in text
