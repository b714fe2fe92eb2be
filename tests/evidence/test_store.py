"""Records: what is written is what is read, and what is not a record is named."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import fake_records
import jsonschema
import pytest
import torch
from fake_records import changed

from harmonic_lib.evidence import recorded, reported
from harmonic_lib.evidence.record import Record, config_hash, encode
from harmonic_lib.evidence.store import append, read
from harmonic_lib.paths import data_dir

RESULTS = sorted((data_dir() / "results").glob("*.jsonl"))


@pytest.fixture
def record() -> Record:
    return fake_records.record(
        config={"lr": 0.1, "distance": None, "complete": True},
        seed=3,
        metrics={"accuracy": 0.1 + 0.2},
        data={"train": "ab", "test": "cd"},
        duration_s=1.5,
        commit="0123456789ab+",
        code="ba9876543210",
        flops=1e12,
        energy_kwh=0.25,
        energy="measured",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "an experiment.jsonl"


def test_what_is_appended_is_read(record: Record, path: Path) -> None:
    other = changed(record, seed=4, config={"name": "Größe ≤ 3\u2028"})
    assert append(path, record) == [record]
    append(path, other)
    assert read(path) == [record, other]


def test_a_record_is_one_line_of_json_with_the_hash_of_its_config(
    record: Record, path: Path
) -> None:
    append(path, record)
    (line,) = path.read_text().splitlines()
    row = json.loads(line)
    canonical = '{"complete": true, "distance": null, "lr": 0.1}'
    assert row["config_hash"] == hashlib.sha256(canonical.encode()).hexdigest()[:12]
    assert row == {name: getattr(record, name) for name in row}
    assert row.keys() == Record.model_fields.keys()


def test_no_number_is_null_in_the_file_and_nan_when_read(record: Record, path: Path) -> None:
    never = changed(record, metrics={"epoch": float("nan"), "accuracy": 1.0})
    append(path, never)
    assert '"metrics": {"epoch": null, "accuracy": 1.0}' in path.read_text()
    (found,) = read(path)
    assert math.isnan(found.metrics["epoch"])
    assert found.metrics["accuracy"] == 1


def test_of_a_run_that_is_there_the_first_record_stays(record: Record, path: Path) -> None:
    append(path, record)
    again = changed(record, metrics={"accuracy": 0.9})
    other = changed(record, seed=4)
    assert append(path, again, other) == [other]
    assert read(path) == [record, other]


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1, "b": 2}) != config_hash({"a": 2, "b": 1})


def without(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: json.dumps({key: value for key, value in row.items() if key != name})


def changed_to(name: str, value: object) -> Callable[[dict[str, Any]], str]:
    return lambda row: json.dumps(row | {name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: json.dumps(row)[:-5], "not a record"),
        (lambda row: "", "not a record"),
        (lambda row: "[1, 2]", "should be a valid dictionary"),
        (without("seed"), "seed: Field required"),
        (without("code"), "code: Field required"),
        (without("flops"), "flops: Field required"),
        (without("config_hash"), "config_hash: Field required"),
        (changed_to("sede", 1), "sede: Extra inputs are not permitted, got 1"),
        (changed_to("config", {"lr": 0.2}), "config does not match"),
        (changed_to("config_hash", "0123456789ab"), "config does not match"),
        (changed_to("config_hash", None), "config_hash: Input should be a valid string, got null"),
        (changed_to("claim", "nobody's"), 'claim "nobody\'s" is not in data/reported'),
        (changed_to("claim", None), "claim: Input should be a valid string, got null"),
        (changed_to("experiment", "other"), "experiment 'other' in the file of 'an experiment'"),
        (changed_to("config", []), "config: Input should be a valid dictionary, got []"),
        (changed_to("seed", True), "seed: Input should be a valid integer, got true"),
        (changed_to("seed", 5.0), "seed: Input should be a valid integer, got 5.0"),
        (changed_to("seed", -5), "seed: Input should be greater than or equal to 0, got -5"),
        (changed_to("metrics", {"a": "0.5"}), 'metrics.a: Input should be a valid number, got "0'),
        (changed_to("metrics", {"a": False}), "metrics.a: Input should be a valid number"),
        (changed_to("metrics", {"a": 10**400}), "metrics.a: Input should be a valid number"),
        (changed_to("metrics", {"a": math.nan}), "NaN is not JSON; write null"),
        (
            lambda row: json.dumps(row).replace("0.30000000000000004", "1e999"),
            "metrics.accuracy: Input should be a finite number",
        ),
        (changed_to("metrics", 0.5), "metrics: Input should be a valid dictionary"),
        (changed_to("data", {"train": 1}), "data.train: Input should be a valid string, got 1"),
        (changed_to("duration_s", "1"), "duration_s: Input should be a valid number"),
        (changed_to("duration_s", -1), "duration_s: Input should be greater than or equal to 0"),
        (changed_to("device", 1), "device: Input should be a valid string"),
        (changed_to("versions", {"torch": 2}), "versions.torch: Input should be a valid string"),
        (changed_to("commit", "main"), "commit: String should match pattern"),
        (changed_to("code", "ba98765"), "code: String should match pattern"),
        (changed_to("created", "2026-01-01T00:00:00"), "created: the time has no zone, got "),
        (changed_to("created", "today"), "created: Invalid isoformat string: 'today'"),
        (changed_to("flops", True), "flops: Input should be a valid number"),
        (changed_to("energy_kwh", "1"), "energy_kwh: Input should be a valid number"),
        (changed_to("energy_kwh", None), "energy_kwh and energy are known together"),
        (changed_to("energy", ""), "energy_kwh and energy are known together"),
        (changed_to("energy", "guessed"), "energy: Input should be 'measured', 'estimated' or ''"),
        (
            lambda row: json.dumps(row | {"seed": -1, "device": 1}),
            "seed: Input should be greater than or equal to 0, got -1; device: Input should be",
        ),
        (lambda row: json.dumps(row | {"seed": 3}), "its run is that of line 1"),
    ],
)
def test_a_line_that_is_no_record_is_named(
    record: Record, path: Path, damage: Callable[[dict[str, Any]], str], message: str
) -> None:
    append(path, record)
    good = path.read_text()
    damaged = good + damage(json.loads(good) | {"seed": 5}) + "\n"
    path.write_text(damaged)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not a record")) as raised:
        read(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not a record")):
        append(path, changed(record, seed=6))
    assert path.read_text() == damaged


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": True}, "seed: Input should be"),
        ({"metrics": {"a": math.inf}}, "metrics.a: Input should be a finite number, got Infinity"),
        (
            {"metrics": {"a": torch.tensor(1.0)}},
            "metrics.a: Input should be a valid number, got .tensor",
        ),
        ({"surprise": 1}, "surprise: Extra"),
    ],
)
def test_what_is_no_record_is_not_made(record: Record, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(record, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed: Input should be"),
        ({"metrics": {"a": math.inf}}, "not JSON compliant"),
        ({"metrics": {"a": torch.tensor(1.0)}}, "not JSON serializable"),
        ({"config": {"a": math.nan}}, "not JSON compliant"),
        ({"config": {"a": 2}}, "config does not match"),
        ({"claim": "nobody's"}, "is not in data/reported"),
        ({"experiment": "another"}, "in the file of"),
    ],
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_what_is_no_record_is_not_written(
    record: Record, path: Path, wrong: dict[str, Any], message: str
) -> None:
    """Not even what was made without the checks."""
    append(path, record)
    before = path.read_bytes()
    good, bad = changed(record, seed=4), record.model_copy(update={"seed": 5} | wrong)
    with pytest.raises(ValueError, match=message) as raised:
        append(path, good, bad)
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before


def test_a_record_does_not_change(record: Record) -> None:
    with pytest.raises(ValueError, match="frozen"):
        record.seed = 4  # type: ignore[misc]


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_torn_last_line_is_left_out_with_a_warning_and_cut_off_by_the_next(
    record: Record, path: Path, cut: int
) -> None:
    second, third = (changed(record, seed=seed) for seed in (4, 5))
    append(path, record, second)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    path.write_bytes(whole[: first_line + cut])
    with pytest.warns(UserWarning, match=re.escape(f"{path}:2: left out")):
        assert read(path) == [record]
    append(path, third)
    assert read(path) == [record, third]


def test_a_whole_last_line_without_its_end_is_a_record(record: Record, path: Path) -> None:
    other = changed(record, seed=4)
    append(path, record)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert read(path) == [record]
    append(path, other)
    assert read(path) == [record, other]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_committed_records_are_whole(path: Path) -> None:
    found = recorded(path.stem)
    assert found
    assert {record.experiment for record in found} == {path.stem}
    runs = [(record.config_hash, record.seed) for record in found]
    assert len(set(runs)) == len(runs)
    for record in found:
        assert datetime.fromisoformat(record.created).tzinfo is not None


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_committed_record_is_written_as_it_was_read(path: Path) -> None:
    assert b"".join(encode(record) + b"\n" for record in read(path)) == path.read_bytes()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_json_schema_describes_the_lines(path: Path) -> None:
    schema = jsonschema.Draft202012Validator(Record.model_json_schema())
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[0])
    for line in lines[::100]:
        schema.validate(json.loads(line))
    assert schema.is_valid(row | {"metrics": {"epoch": None}})
    for wrong in ({"seed": -1}, {"metrics": {"a": "1"}}, {"code": "x"}, {"energy": "guessed"}):
        assert not schema.is_valid(row | wrong)
    assert all(field["description"] for field in schema.schema["properties"].values())


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_committed_claim_is_one_that_was_reported(path: Path) -> None:
    claims = {record.claim for record in recorded(path.stem)} - {""}
    assert not claims or claims <= {row.claim for row in reported(path.stem)}
