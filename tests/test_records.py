"""Records: what is written is what is read, and what is not a record is named."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from harmonic_lib import device, records
from harmonic_lib.paths import data_dir
from harmonic_lib.records import Record

RESULTS = sorted((data_dir() / "results").glob("*.jsonl"))
REPORTED = sorted((data_dir() / "reported").glob("*.csv"))


@pytest.fixture
def record() -> Record:
    return Record(
        claim="",
        experiment="an experiment",
        config={"lr": 0.1, "distance": None, "complete": True},
        seed=3,
        metrics={"accuracy": 0.1 + 0.2},
        data={"train": "ab", "test": "cd"},
        duration_s=1.5,
        device="CPU, 1 threads",
        versions={"torch": "2"},
        commit="",
        created="2026-01-01T00:00:00+00:00",
    )


def test_what_is_appended_is_read(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "results.jsonl"
    other = dataclasses.replace(record, seed=4, config={"name": "Größe ≤ 3\u2028"})
    records.append(path, record)
    records.append(path, other)
    assert records.read(path) == [record, other]


def test_a_record_is_one_line_of_json_with_the_hash_of_its_config(
    record: Record, tmp_path: Path
) -> None:
    path = tmp_path / "results.jsonl"
    records.append(path, record)
    (line,) = path.read_text().splitlines()
    row = json.loads(line)
    canonical = '{"complete": true, "distance": null, "lr": 0.1}'
    assert row.pop("config_hash") == hashlib.sha256(canonical.encode()).hexdigest()[:12]
    assert row == dataclasses.asdict(record)


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert records.config_hash({"a": 1, "b": 2}) == records.config_hash({"b": 2, "a": 1})
    assert records.config_hash({"a": 1, "b": 2}) != records.config_hash({"a": 2, "b": 1})


def without(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: json.dumps({key: value for key, value in row.items() if key != name})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: json.dumps(row)[:-5], "not a record"),
        (lambda row: "", "not a record"),
        (lambda row: "[1, 2]", "not a record"),
        (without("seed"), "fields ['seed'] missing"),
        (without("config_hash"), "config_hash"),
        (lambda row: json.dumps(row | {"sede": 1}), "fields ['sede'] missing or unknown"),
        (lambda row: json.dumps(row | {"config": {"lr": 0.2}}), "config does not match"),
    ],
    ids=["cut", "empty", "no object", "no seed", "no hash", "unknown field", "changed config"],
)
def test_a_line_that_is_no_record_is_named(
    record: Record, tmp_path: Path, damage: Callable[[dict[str, Any]], str], message: str
) -> None:
    path = tmp_path / "results.jsonl"
    records.append(path, record)
    good = path.read_text()
    path.write_text(good + damage(json.loads(good)) + "\n" + good)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not a record")) as raised:
        records.read(path)
    assert message in str(raised.value)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_committed_records_are_whole(path: Path) -> None:
    found = records.recorded(path.stem)
    assert found
    assert {record.experiment for record in found} == {path.stem}
    runs = [(record.config_hash, record.seed) for record in found]
    assert len(set(runs)) == len(runs)
    for record in found:
        assert datetime.fromisoformat(record.created).tzinfo is not None


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_committed_claim_is_one_that_was_reported(path: Path) -> None:
    claims = {record.claim for record in records.recorded(path.stem)} - {""}
    assert not claims or claims <= records.reported(path.stem).keys()


@pytest.mark.parametrize("path", REPORTED, ids=lambda path: path.stem)
def test_reported_numbers_say_where_they_are_from(path: Path) -> None:
    for claim, row in records.reported(path.stem).items():
        assert row.claim == claim
        assert row.unit
        assert row.exactness
        assert row.source


def test_the_reported_pixel_classifiers() -> None:
    values = {claim: row.value for claim, row in records.reported("pixel_classifiers").items()}
    assert values.items() >= {
        ("mnist-pixel-cross-entropy", 92.57),
        ("mnist-pixel-euclidean", 92.30),
        ("mnist-pixel-manhattan", 90.49),
        ("mnist-pixel-cosine", 92.65),
    }


# --- where a record comes from --------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that ``commit`` takes for the library."""
    folder = tmp_path / "project" / "library"
    folder.mkdir(parents=True)
    (folder / "records.py").write_text("# the code")
    monkeypatch.setattr(records, "PACKAGE", folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    records.commit.cache_clear()
    yield folder
    records.commit.cache_clear()


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit_all(package: Path) -> str:
    git(package.parent, "init")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-m", "all", "--no-verify", "--no-gpg-sign")
    return git(package.parent, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_checkout(package: Path) -> None:
    head = commit_all(package)
    assert records.commit() == head[:12]


def test_a_changed_library_is_marked(package: Path) -> None:
    head = commit_all(package)
    (package / "records.py").write_text("# other code")
    assert records.commit() == head[:12] + "+"


def test_outside_a_checkout_there_is_no_commit(package: Path) -> None:
    assert records.commit() == ""


def test_a_checkout_of_something_else_is_not_ours(package: Path) -> None:
    """As in ``project/.venv/lib/.../harmonic_lib``, which the project's git ignores."""
    (package.parent / ".gitignore").write_text("library/")
    commit_all(package)
    assert records.commit() == ""


def test_without_git_there_is_no_commit(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(package))
    assert records.commit() == ""


def test_provenance_describes_machine_and_code(record: Record) -> None:
    where = records.provenance()
    assert dataclasses.replace(record, **where)
    assert where["versions"]["torch"] == torch.__version__
    assert where["device"]
    assert datetime.fromisoformat(where["created"]).utcoffset() is not None


@pytest.mark.parametrize(
    ("available", "kind", "name"), [(True, "cuda", "a GPU"), (False, "cpu", "CPU, 1 thread")]
)
def test_the_device_is_the_accelerator_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, available: bool, kind: str, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert device.default_device().type == kind
    assert device.device_name() == name
