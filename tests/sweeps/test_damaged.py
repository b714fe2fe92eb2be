"""Damaged files: a sweep stops where nothing can be recorded, and starts a run afresh."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tiny import expected, harmonic_run, outcome

from harmonic_lib.evidence import store
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.store import read
from harmonic_lib.sweeps.tasks import attempt, plan

Runs = list[int]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, path: Path) -> Runs:
    """The numbers of the runs; while the fourth one computes, somebody damages the records."""
    done: Runs = []
    original = tiny.run

    def run(config: tiny.Config, *rest: Any) -> list[Measurement]:
        done.append(config.number)
        if len(done) == 4:
            whole = path.read_bytes()
            path.write_bytes(whole.replace(b'"seed"', b'"sead"', 1))
        return original(config, *rest)

    monkeypatch.setattr(tiny.EXPERIMENT, "run", run)
    return done


def test_a_file_damaged_meanwhile_stops_the_sweep_and_loses_nothing(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert harmonic_run(path) == 1
    assert runs == [0, 1, 2, 3]
    last = capsys.readouterr().err.splitlines()[-1]
    waiting = path.with_suffix(".unfinished") / path.name
    assert f"{path}:1: not a record" in last
    assert f"the last run's records are in {waiting}" in last
    assert [record.config["number"] for record in read(waiting)] == [3, 3]

    path.write_bytes(path.read_bytes().replace(b'"sead"', b'"seed"'))
    assert harmonic_run(path) == 0
    assert runs == [0, 1, 2, 3, 4, 5]
    assert outcome(read(path)) == expected()
    assert not waiting.exists()


def test_a_file_that_nobody_mended_is_told_before_the_next_run(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    harmonic_run(path)
    capsys.readouterr()
    assert harmonic_run(path) == 1
    assert runs == [0, 1, 2, 3]
    assert f"{path}:1: not a record" in capsys.readouterr().err


def test_a_disk_that_is_full_stops_the_sweep(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, numbers = store.write, []

    def full(place: Path, *rest: Any) -> None:
        numbers.append(place.name)
        if len(numbers) > 2:
            raise OSError(28, "No space left on device", str(place))
        original(place, *rest)

    monkeypatch.setattr(store, "write", full)
    assert harmonic_run(path) == 1
    assert "nor could the last run's records be kept" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setattr(store, "write", original)
    assert len(read(path)) == 2
    assert len(list(path.parent.rglob("*.ckpt"))) == 1  # that run goes on from its state


# --- checkpoints ----------------------------------------------------------------------------


def resume(
    config: tiny.Config, seeds: Sequence[int], root: Path | None, state: Path | None
) -> list[Measurement]:
    """A run that continues from what :mod:`torch` reads."""
    assert state
    if state.exists():
        torch.load(state, weights_only=True)
    torch.save({"past": torch.zeros(1000)}, state)
    if config.mood == "raises":
        raise RuntimeError("in no mood")
    return tiny.run(config, seeds)


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_checkpoint_is_named_and_the_run_starts_afresh(
    path: Path, damage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINY", "0 1")
    monkeypatch.setattr(tiny.EXPERIMENT, "run", resume)
    (task,) = plan(tiny.EXPERIMENT, tiny.configs("smoke"), (0, 1), set())
    state = path.with_suffix(".unfinished") / task.file
    state.parent.mkdir(parents=True)
    torch.save({"past": torch.zeros(1000)}, state)
    whole = state.read_bytes()
    bad = {"truncated": whole[:1000], "empty": b"", "garbage": b"\x00" * 99}[damage]
    state.write_bytes(bad)
    assert harmonic_run(path) == 0
    damaged = state.with_suffix(".damaged")
    assert f"the checkpoint could not be read: {damaged}" in capsys.readouterr().err
    assert damaged.read_bytes() == bad
    assert outcome(read(path)) == expected()


def test_a_run_that_fails_keeps_the_hours_in_its_checkpoint(tmp_path: Path) -> None:
    (task,) = plan(tiny.EXPERIMENT, [tiny.Config(7, "raises")], (0,), set())
    state = tmp_path / task.file
    torch.save({"past": torch.ones(3)}, state)
    result = attempt(resume, None, tmp_path, task)
    assert result.reason == "RuntimeError: in no mood"
    assert state.exists()
    assert not list(tmp_path.glob("*.damaged"))
