"""Sweeps that are killed and disks that are full: nothing lost, nothing twice, nothing torn."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import tiny
from tiny import expected, harmonic_run, outcome

from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.store import read

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes")


@pytest.fixture(scope="module")
def start() -> Callable[..., BaseProcess]:
    """Start a command in a process of its own; the library is imported once, for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny", "harmonic_lib.sweeps"])

    def start(target: Callable[..., None], path: Path) -> BaseProcess:
        command = ["run", "tiny", "--profile", "smoke", "--results", str(path.parent)]
        words = (os.environ["TINY"], str(path.parent.parent / "stderr"), *command)
        process = context.Process(target=target, args=words)
        process.start()
        return process

    return start


@pytest.mark.slow
@posix_only
def test_killed_at_ten_moments_nothing_is_lost_twice_or_torn(
    path: Path, start: Callable[..., BaseProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "0.01 40")
    moments, sizes = random.Random(6), [0]
    path.parent.mkdir()
    path.touch()
    for _ in range(10):
        process = start(tiny.harmonic, path)
        while process.is_alive() and path.stat().st_size <= sizes[-1]:
            time.sleep(0.001)  # until it has recorded something: what is killed is at work
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        sizes.append(path.stat().st_size)
    assert 20 <= len(read(path)) < 80  # it was under way all the time
    process = start(tiny.harmonic, path)
    process.join()
    assert process.exitcode == 0
    assert outcome(read(path)) == expected()


@posix_only
def test_two_sweeps_at_once_write_every_run_once(
    path: Path, start: Callable[..., BaseProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "0.01 20")
    both = [start(tiny.harmonic, path) for _ in range(2)]
    for process in both:
        process.join()
        assert process.exitcode == 0
    assert outcome(read(path)) == expected()


@posix_only
def test_a_full_disk_is_said_and_what_is_recorded_stays(
    path: Path, start: Callable[..., BaseProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "0 6")
    process = start(tiny.harmonic_on_a_full_disk, path)
    process.join()
    assert process.exitcode == 1
    said = (path.parent.parent / "stderr").read_text()
    assert said.startswith("harmonic run: ")
    assert "File too large; the records before it are whole" in said
    assert str(path) in said
    found = read(path)
    assert 0 < len(found) < 12
    assert set(outcome(found)) < set(expected())
    assert path.read_bytes().endswith(b"\n")
    assert harmonic_run(path) == 0
    assert outcome(read(path)) == expected()


def test_a_folder_that_cannot_be_written_is_said_before_the_first_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(tiny.EXPERIMENT, "run", lambda *_: pytest.fail("it was run"))
    assert harmonic_run(path) == 1
    error = capsys.readouterr().err
    assert error.startswith("harmonic run: ")
    assert str(path.parent) in error


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may do all")
def test_a_read_only_folder(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmonic_run(path, "--seeds", "0")
    before = path.read_bytes()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert harmonic_run(path) == 1
    finally:
        path.parent.chmod(0o700)
    assert "Permission denied" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_an_interrupted_sweep_keeps_what_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = tiny.run

    def interrupted(config: tiny.Config, *rest: object) -> list[Measurement]:
        if config.number == 4:
            raise KeyboardInterrupt
        return original(config, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tiny.EXPERIMENT, "run", interrupted)
    assert harmonic_run(path) == 130
    assert f"interrupted; what was recorded stays in {path}" in capsys.readouterr().err
    assert len(read(path)) == 8
