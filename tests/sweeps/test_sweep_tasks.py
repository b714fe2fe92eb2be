"""Tasks: the checkpoint of a run that did not finish is found again, and by nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
from tiny import harmonic_run

from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.sweeps.tasks import attempt, checkpoint, forget, plan


def test_what_is_recorded_leaves_no_state_and_what_fails_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "0 2 raises")
    harmonic_run(path)
    (task,) = plan(tiny.EXPERIMENT, [tiny.Config(0, "raises")], (0, 1), set())
    states = [p.name for p in path.parent.rglob("*") if p.suffix == ".ckpt"]
    assert states == [task.file]


def test_a_run_that_was_cut_is_given_its_state_again(path: Path, tmp_path: Path) -> None:
    (task,) = plan(tiny.EXPERIMENT, [tiny.Config(7, seconds=0.0)], (0,), set())
    (other,) = plan(tiny.EXPERIMENT, [tiny.Config(7, seconds=0.0)], (1,), set())
    found: list[str | None] = []

    def run(*arguments: Any) -> list[Measurement]:
        state = arguments[-1]
        found.append(state.read_text() if state.exists() else None)
        state.write_text(f"{arguments[1]}")
        return []

    for each in (task, other, task):
        attempt(run, None, tmp_path / "states", each)
    assert found == [None, None, "(0,)"]
    forget(task, tmp_path / "states")
    assert [p.name for p in (tmp_path / "states").glob("*.ckpt")] == [other.file]
    forget(other, tmp_path / "states")
    assert not list((tmp_path / "states").glob("*.ckpt"))


def test_two_sweeps_do_not_share_a_state(tmp_path: Path) -> None:
    (task,) = plan(tiny.EXPERIMENT, [tiny.Config(7)], (0,), set())
    with checkpoint(task, tmp_path) as first, checkpoint(task, tmp_path) as second:
        assert first == tmp_path / task.file
        assert second is None
    with checkpoint(task, tmp_path) as again:
        assert again == first
    with checkpoint(task, None) as nowhere:
        assert nowhere is None
