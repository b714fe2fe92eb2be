"""Records: what is written is what is read, and what is not a record is named."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from harmonic_lib import device, records
from harmonic_lib.code_hash import behind, code_hash
from harmonic_lib.experiments import distance_sweep
from harmonic_lib.paths import data_dir
from harmonic_lib.records import Record
from harmonic_lib.reported import reported

RESULTS = sorted((data_dir() / "results").glob("*.jsonl"))


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
        commit="0123456789ab+",
        code="ba9876543210",
        created="2026-01-01T00:00:00+00:00",
        flops=1e12,
        energy_kwh=0.25,
        energy="measured",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "an experiment.jsonl"


def test_what_is_appended_is_read(record: Record, path: Path) -> None:
    other = dataclasses.replace(record, seed=4, config={"name": "Größe ≤ 3\u2028"})
    assert records.append(path, record) == [record]
    records.append(path, other)
    assert records.read(path) == [record, other]


def test_a_record_is_one_line_of_json_with_the_hash_of_its_config(
    record: Record, path: Path
) -> None:
    records.append(path, record)
    (line,) = path.read_text().splitlines()
    row = json.loads(line)
    canonical = '{"complete": true, "distance": null, "lr": 0.1}'
    assert row.pop("config_hash") == hashlib.sha256(canonical.encode()).hexdigest()[:12]
    assert row == dataclasses.asdict(record)


def test_no_number_is_null_in_the_file_and_nan_when_read(record: Record, path: Path) -> None:
    never = dataclasses.replace(record, metrics={"epoch": float("nan"), "accuracy": 1.0})
    records.append(path, never)
    assert '"metrics": {"epoch": null, "accuracy": 1.0}' in path.read_text()
    (found,) = records.read(path)
    assert math.isnan(found.metrics["epoch"])
    assert found.metrics["accuracy"] == 1


def test_of_a_run_that_is_there_the_first_record_stays(record: Record, path: Path) -> None:
    records.append(path, record)
    again = dataclasses.replace(record, metrics={"accuracy": 0.9})
    other = dataclasses.replace(record, seed=4)
    assert records.append(path, again, other) == [other]
    assert records.read(path) == [record, other]


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert records.config_hash({"a": 1, "b": 2}) == records.config_hash({"b": 2, "a": 1})
    assert records.config_hash({"a": 1, "b": 2}) != records.config_hash({"a": 2, "b": 1})


def without(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: json.dumps({key: value for key, value in row.items() if key != name})


def changed(name: str, value: object) -> Callable[[dict[str, Any]], str]:
    return lambda row: json.dumps(row | {name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: json.dumps(row)[:-5], "not a record"),
        (lambda row: "", "not a record"),
        (lambda row: "[1, 2]", "not an object"),
        (without("seed"), "fields ['seed'] missing"),
        (without("code"), "fields ['code'] missing"),
        (without("config_hash"), "config_hash"),
        (changed("sede", 1), "fields ['sede'] missing or unknown"),
        (changed("config", {"lr": 0.2}), "config does not match"),
        (changed("config_hash", "0123456789ab"), "config does not match"),
        (changed("config_hash", None), "config_hash must be 12 hexadecimal digits, got null"),
        (changed("claim", "nobody's"), 'claim "nobody\'s" is not in data/reported'),
        (changed("claim", None), "claim must be a text, got null"),
        (changed("experiment", "another"), "experiment 'another' in the file of 'an experiment'"),
        (changed("config", []), "config must be an object"),
        (changed("seed", True), "seed must be a whole number, 0 or more, got true"),
        (changed("seed", 5.0), "seed must be a whole number"),
        (changed("seed", -5), "seed must be a whole number"),
        (changed("metrics", {"a": "0.5"}), 'metrics must be numbers or null by name, got {"a": "'),
        (changed("metrics", {"a": False}), "metrics must be numbers"),
        (changed("metrics", {"a": math.nan}), "NaN is not JSON; write null"),
        (lambda row: json.dumps(row).replace("0.30000000000000004", "1e999"), "metrics must be"),
        (changed("metrics", 0.5), "metrics must be numbers"),
        (changed("data", {"train": 1}), "data must be texts by name"),
        (changed("duration_s", "1"), "duration_s must be a number, 0 or more"),
        (changed("duration_s", -1), "duration_s must be a number, 0 or more"),
        (changed("device", 1), "device must be a text"),
        (changed("versions", {"torch": 2}), "versions must be texts"),
        (changed("commit", "main"), "commit must be 12 hexadecimal digits"),
        (changed("code", "ba98765"), "code must be 12 hexadecimal digits"),
        (changed("created", "2026-01-01T00:00:00"), "created must be a time with its zone"),
        (changed("created", "today"), "created must be a time with its zone"),
        (changed("flops", True), "flops must be a number"),
        (changed("energy_kwh", "1"), "energy_kwh must be a number"),
        (changed("energy_kwh", None), "energy_kwh and energy are known together"),
        (changed("energy", ""), "energy_kwh and energy are known together"),
        (changed("energy", "guessed"), "energy must be one of"),
        (lambda row: json.dumps(row | {"seed": 3}), "its run is that of line 1"),
    ],
)
def test_a_line_that_is_no_record_is_named(
    record: Record, path: Path, damage: Callable[[dict[str, Any]], str], message: str
) -> None:
    records.append(path, record)
    good = path.read_text()
    damaged = good + damage(json.loads(good) | {"seed": 5}) + "\n"
    path.write_text(damaged)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not a record")) as raised:
        records.read(path)
    assert message in str(raised.value)
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: not a record")):
        records.append(path, dataclasses.replace(record, seed=6))
    assert path.read_text() == damaged


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": True}, "seed must be"),
        ({"metrics": {"a": math.inf}}, "not JSON compliant"),
        ({"metrics": {"a": torch.tensor(1.0)}}, "not JSON serializable"),
        ({"config": {"a": math.nan}}, "not JSON compliant"),
        ({"claim": "nobody's"}, "is not in data/reported"),
        ({"experiment": "another"}, "in the file of"),
    ],
)
def test_what_is_no_record_is_not_written(
    record: Record, path: Path, wrong: dict[str, Any], message: str
) -> None:
    records.append(path, record)
    before = path.read_bytes()
    good, bad = dataclasses.replace(record, seed=4), dataclasses.replace(record, **wrong)
    if bad.seed == 3:
        bad = dataclasses.replace(bad, seed=5)
    with pytest.raises(ValueError, match=message) as raised:
        records.append(path, good, bad)
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_torn_last_line_is_left_out_with_a_warning_and_cut_off_by_the_next(
    record: Record, path: Path, cut: int
) -> None:
    second, third = (dataclasses.replace(record, seed=seed) for seed in (4, 5))
    records.append(path, record, second)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    path.write_bytes(whole[: first_line + cut])
    with pytest.warns(UserWarning, match=re.escape(f"{path}:2: left out")):
        assert records.read(path) == [record]
    records.append(path, third)
    assert records.read(path) == [record, third]


def test_a_whole_last_line_without_its_end_is_a_record(record: Record, path: Path) -> None:
    other = dataclasses.replace(record, seed=4)
    records.append(path, record)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert records.read(path) == [record]
    records.append(path, other)
    assert records.read(path) == [record, other]


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
    assert not claims or claims <= {row.claim for row in reported(path.stem)}


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
    where = records.provenance("harmonic_lib.training", "cosine")
    assert dataclasses.replace(record, **where)
    assert where["versions"]["torch"] == torch.__version__
    assert where["device"]
    assert where["code"] == code_hash("harmonic_lib.training", "cosine")
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


# --- which code made it ---------------------------------------------------------------------


CODE = "x = f(1)\n"
LIBRARY = {
    "harmonic_lib.part": "import os\nfrom harmonic_lib.other import name\n",
    "harmonic_lib.other": "def late():\n    from harmonic_lib import tools, records\n",
    "harmonic_lib.tools": "from harmonic_lib.tools.inner import name\nimport harmonic_lib.part\n",
    "harmonic_lib.tools.inner": "",
    "harmonic_lib.records": "import harmonic_lib.beside",
    "harmonic_lib.beside": "",
}


def test_the_code_behind_a_module_is_what_it_imports_directly_or_not() -> None:
    names = {"part", "other", "tools", "tools.inner"}
    assert set(behind("harmonic_lib.part", None, LIBRARY.get)) == {
        f"harmonic_lib.{n}" for n in names
    }
    assert set(behind("harmonic_lib.other", None, LIBRARY.get)) == {
        f"harmonic_lib.{n}" for n in names
    }
    assert set(behind("harmonic_lib.beside", None, LIBRARY.get)) == {"harmonic_lib.beside"}


@pytest.mark.parametrize("name", LIBRARY)
def test_the_hash_changes_with_the_code_behind_it_alone(name: str) -> None:
    other = LIBRARY | {name: LIBRARY[name] + "\nvalue = 1\n"}
    ours, theirs = (
        code_hash("harmonic_lib.part", None, library.get) for library in (LIBRARY, other)
    )
    assert (ours == theirs) == (name in ("harmonic_lib.records", "harmonic_lib.beside"))


FAMILIES = {
    "harmonic_lib.part": "from harmonic_lib.distances import distance\n",
    "harmonic_lib.distances": "".join(
        f"from harmonic_lib.distances.{name} import name\n"
        for name in ("euclidean", "cosine", "canberra", "tools")
    ),
    "harmonic_lib.distances.euclidean": "",
    "harmonic_lib.distances.cosine": "from harmonic_lib.distances.euclidean import name\n",
    "harmonic_lib.distances.canberra": "",
    "harmonic_lib.distances.tools": "",
}


@pytest.mark.parametrize(
    ("distance", "used"),
    [(None, ()), ("canberra", ("canberra",)), ("cosine", ("cosine", "euclidean"))],
)
def test_of_the_families_of_distances_those_count_that_are_used(
    distance: str | None, used: tuple[str, ...]
) -> None:
    found = behind("harmonic_lib.part", distance, FAMILIES.get)
    always = {"harmonic_lib.part", "harmonic_lib.distances", "harmonic_lib.distances.tools"}
    assert set(found) == always | {f"harmonic_lib.distances.{name}" for name in used}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("# said\nx = f(1)  # why\n", True),
        ("x = f(\n    1\n)\n", True),
        ('"""What it is."""\n\nx = f(1)\n', True),
        ("x = f(2)\n", False),
        ("if x:\n    x = f(1)\n", False),
    ],
)
def test_the_hash_is_of_what_is_done_not_of_what_is_said(text: str, same: bool) -> None:
    library = ({"harmonic_lib.part": each} for each in (text, CODE))
    hashes = {code_hash("harmonic_lib.part", None, each.get) for each in library}
    assert len(hashes) == (1 if same else 2)


def test_no_module_no_hash() -> None:
    with pytest.raises(ValueError, match="the library has no module"):
        code_hash("harmonic_lib.nothing", None)


def test_the_code_behind_an_experiment_is_what_trains_and_measures_it() -> None:
    names = {name.removeprefix("harmonic_lib.") for name in behind(distance_sweep.__name__, None)}
    assert names >= {"experiments.distance_sweep", "training", "head", "distances.engine"}
    assert not any(name.startswith(("book", "figures", "cli", "records")) for name in names)


def test_a_record_of_today_has_no_badge_and_others_say_why(record: Record) -> None:
    config = dataclasses.asdict(distance_sweep.config("cosine", 2.0, "smoke"))
    today = dataclasses.replace(
        record,
        experiment="distance_sweep",
        config=config,
        code=code_hash(distance_sweep.__name__, "cosine"),
        commit="0123456789ab",
    )
    assert records.badge(today) == ""
    earlier = dataclasses.replace(today, code="000000000000")
    assert records.badge(earlier) == "made by earlier code (0123456789ab)"
    other = dataclasses.replace(today, config=config | {"exponent": 2.5})
    assert records.badge(other) == "its configuration is no longer run"
    unknown = dataclasses.replace(other, code="", commit="")
    assert records.badge(unknown) == (
        "made by earlier code (of an unknown commit); its configuration is no longer run"
    )
    assert records.badge(record) == "its experiment is no longer run"
