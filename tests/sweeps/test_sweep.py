"""Sweeps: what is run, what is recorded of it, and what is said when it fails."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
from tiny import expected, harmonic_run, outcome

from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.provenance import provenance
from harmonic_lib.evidence.record import config_hash
from harmonic_lib.evidence.store import read
from harmonic_lib.sweeps.sweep import stamped
from harmonic_lib.sweeps.tasks import Result, plan

# --- what is run ----------------------------------------------------------------------------


def test_every_configuration_and_seed_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert harmonic_run(path) == 0
    assert outcome(read(path)) == expected()
    *lines, last = capsys.readouterr().out.splitlines()
    first = config_hash(asdict(tiny.configs("smoke")[0]))
    assert lines[0].startswith(f"1/6 recorded: {first}, seeds 0 1; left 0:00:0")
    assert lines[5].startswith("6/6 recorded: ")
    assert last == f"{path}: 12 runs recorded, 0 were there"


def test_what_is_there_is_not_run_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmonic_run(path)
    before = path.read_bytes()
    capsys.readouterr()
    assert harmonic_run(path) == 0
    assert path.read_bytes() == before
    assert capsys.readouterr().out == f"{path}: 0 runs recorded, 12 were there\n"


def test_the_missing_seeds_of_a_configuration_are_one_task(path: Path) -> None:
    harmonic_run(path, "--seeds", "1")
    done = {(r.config_hash, r.seed) for r in read(path)[:2]}
    configs = tiny.configs("smoke")
    tasks = plan(tiny.EXPERIMENT, configs, (0, 1, 2), done)
    assert [task.config for task in tasks] == configs
    assert [task.seeds for task in tasks] == [(0, 2)] * 2 + [(0, 1, 2)] * 4


def test_seeds_are_given_as_numbers_and_ranges(path: Path) -> None:
    assert harmonic_run(path, "--seeds", "7", "0-2", "1") == 0
    assert outcome(read(path)) == expected((0, 1, 2, 7))


def test_only_the_configurations_with_these_values(path: Path) -> None:
    assert harmonic_run(path, "--where", "number=2.0", "mood=well", "seconds=0") == 0
    assert [record.config["number"] for record in read(path)] == [2, 2]


def test_the_bar_of_a_terminal_shows_the_time_left(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the output for a terminal
    monkeypatch.setenv("TERM", "xterm")
    harmonic_run(path)
    out = capsys.readouterr().out
    assert "100%" in out
    assert "0:00:00" in out
    assert "recorded: " not in out


# --- failures -------------------------------------------------------------------------------


def test_a_run_that_fails_is_reported_and_the_rest_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINY", "0 3 raises mistaken")
    assert harmonic_run(path) == 1
    assert len(read(path)) == 6
    out, error = capsys.readouterr()
    assert "Traceback" in error
    assert "RuntimeError: number 0 is in no mood" in error.splitlines()[-2]
    assert 'claim "nobody\'s" is not in data/reported' in error.splitlines()[-1]
    assert out.splitlines()[-1] == f"{path}: 6 runs recorded, 0 were there"
    monkeypatch.setenv("TINY", "0 3 raises")
    assert harmonic_run(path) == 1  # what failed is tried again, and that alone
    assert len(read(path)) == 6


def test_what_does_not_make_a_record_is_reported_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINY", "0 2 infinite")
    assert harmonic_run(path) == 1
    assert {record.config["mood"] for record in read(path)} == {"well"}
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("harmonic run: failed: ")
    assert "metrics.root" in last
    assert "Infinity" in last


def test_a_record_names_its_origin(path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    harmonic_run(path, "--seeds", "0")
    where = provenance()
    found = read(path)
    configs = [asdict(config) for config in tiny.configs("smoke")]
    assert [record.config for record in found] == configs
    for record in found:
        assert where == {name: getattr(record, name) for name in where}
        assert record.experiment == tiny.NAME
        assert record.claim == ""
        assert before <= datetime.fromisoformat(record.created) <= datetime.now(UTC)
        assert (record.energy_kwh, record.energy) == (None, "")


def test_metered_runs_share_the_mean_power() -> None:
    power = SimpleNamespace(kwh_per_second=lambda: 0.5, kind="estimated")
    (task,) = plan(tiny.EXPERIMENT, [tiny.Config(1)], (0, 1), set())
    run = [Measurement(seed, {}, {}, duration_s=3.0 + seed) for seed in task.seeds]
    result = Result(task, run, provenance() | {"code": task.code})
    found = stamped(tiny.EXPERIMENT, result, power, jobs=2)
    assert [record.energy_kwh for record in found] == [0.75, 1.0]
    assert {record.energy for record in found} == {"estimated"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profile", "smke"], "unknown profile 'smke'; did you mean 'smoke'"),
        (["--backend", "task"], "unknown backend 'task'; did you mean 'dask'"),
        (["--where", "numer=2"], "unknown field 'numer'; did you mean 'number'"),
        (["--where", "number=77"], "unknown value of number '77'"),
        (["--where", "mood=wel"], "unknown value of mood 'wel'; did you mean 'well'"),
        (["--where", "number=1", "number=2"], "--where has a field twice"),
        (["--jobs", "0"], "jobs must be a positive integer, got 0"),
        (["--scheduler", "tcp://there:1"], "a scheduler belongs to the backend dask"),
        (["--root", "nowhere"], "the folder of the data sets does not exist"),
        (
            ["--energy", "--backend", "dask", "--scheduler", "there"],
            "energy of other machines",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert harmonic_run(path, *words) == 1
    assert message in capsys.readouterr().err
    assert not path.exists()
