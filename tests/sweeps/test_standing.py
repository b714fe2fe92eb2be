"""Which codes count as the same: what is compared, what enters the table, what short runs give."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import fake_records
import pytest

from harmonic_lib.evidence.record import encode
from harmonic_lib.experiments import distance_sweep, drop_in
from harmonic_lib.experiments.registry import by_name, code_of
from harmonic_lib.sweeps import short_runs
from harmonic_lib.sweeps.standing import Runs, add, compared


def runs(*rows: tuple[str, str, float]) -> Runs:
    """(configuration, code, metric) of an experiment."""
    return {("e", c): {"code": code, "metrics": [{"m": value}]} for c, code, value in rows}


def test_a_pair_of_codes_is_the_same_only_where_every_configuration_is() -> None:
    before = runs(("a", "1", 0.5), ("b", "1", math.nan), ("c", "2", 1.0), ("d", "2", 2.0))
    after = runs(("a", "3", 0.5), ("b", "3", math.nan), ("c", "4", 1.0), ("d", "4", 2.1))
    same, other = compared(before, after)
    assert same == {("e", "1", "3"): 2}
    assert other == {("e", "2", "4"): 1}


def test_the_same_code_and_a_configuration_without_a_partner_are_no_pair() -> None:
    same, other = compared(runs(("a", "1", 0.5), ("b", "1", 0.5)), runs(("a", "1", 0.6)))
    assert not same
    assert not other


def test_pairs_are_added_below_one_heading(tmp_path: Path) -> None:
    table = tmp_path / "same_code.csv"
    add(table, Counter({("e", "1", "3"): 2}), "c0ffee")
    add(table, Counter({("e", "3", "5"): 1}), "beef")
    assert table.read_text(encoding="utf-8").splitlines() == [
        "experiment,old,new,commit,configurations",
        "e,1,3,c0ffee,2",
        "e,3,5,beef,1",
    ]


@pytest.mark.parametrize(
    ("experiment", "config", "unit"),
    [
        ("distance_sweep", distance_sweep.config("euclidean", 4.0, "full"), "epochs"),
        ("drop_in", drop_in.configs("quick")[1], "steps"),
    ],
)
def test_a_short_run_is_two_epochs_or_steps_of_a_recorded_configuration(
    experiment: str, config: Any, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = fake_records.record(asdict(config), 0, {}, experiment=experiment)
    (tmp_path / f"{experiment}.jsonl").write_bytes(encode(record) + b"\n")
    short_runs.main(tmp_path, None)
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert getattr(config, unit) > 2
    brief = replace(config, **{unit: 2})
    expected = by_name(experiment).run(brief, short_runs.SEEDS, None)
    assert row["metrics"] == [dict(each.metrics) for each in expected]
    assert row["code"] == code_of(experiment, asdict(config))
    assert row["config_hash"] == record.config_hash
