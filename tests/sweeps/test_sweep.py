"""Sweeps: nothing lost, nothing twice, nothing torn, whatever dies and wherever it runs."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from joblib.externals.loky.process_executor import TerminatedWorkerError

from harmonic_lib import cli
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.provenance import provenance
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.evidence.store import read
from harmonic_lib.sweeps import backends
from harmonic_lib.sweeps.sweep import stamped
from harmonic_lib.sweeps.tasks import Result, attempt, checkpoint, forget, plan

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, key, value in tiny.ENTRIES:
        monkeypatch.setitem(table, key, value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "tiny.jsonl"


def harmonic_run(path: Path, *words: str) -> int:
    command = ["run", "tiny", "--profile", "smoke", "--results", str(path.parent), *words]
    return cli.main(command)


def outcome(found: list[Record]) -> list[tuple[str, int, str]]:
    """What does not depend on when and where, in one order."""
    return sorted((r.config_hash, r.seed, repr(r.metrics)) for r in found)


def expected(seeds: tuple[int, ...] = (0, 1)) -> list[tuple[str, int, str]]:
    return sorted(
        (config_hash(asdict(config)), each.seed, repr(each.metrics))
        for config in tiny.configs("smoke")
        for each in tiny.run(config, seeds)
    )


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


def test_processes_that_die_are_reported_and_the_rest_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with loky, without its processes, which take long to start: one death ends them all."""

    def workers(**_: object) -> Callable[[Iterable[Any]], Iterator[Result]]:
        def work(calls: Iterable[Any]) -> Iterator[Result]:
            for function, arguments, _ in calls:
                if arguments[0].config.mood == "dies":
                    raise TerminatedWorkerError("signal 9")
                yield function(*arguments)

        return work

    monkeypatch.setattr(backends, "Parallel", workers)
    monkeypatch.setenv("TINY", "0 5 dies raises")
    assert harmonic_run(path) == 1
    monkeypatch.setenv("TINY", "0 5")
    assert outcome(read(path)) == expected()
    reasons = capsys.readouterr().err.splitlines()[-2:]
    assert "RuntimeError: number 1 is in no mood" in "".join(reasons)
    assert "TerminatedWorkerError: signal 9" in "".join(reasons)


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


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["--backend", "dask"], "dask.distributed", "dask"),
        (["--energy"], "codecarbon", "energy"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    path: Path,
    words: list[str],
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert harmonic_run(path, *words) == 1
    error = capsys.readouterr().err
    assert package in error
    assert f'pip install "harmonic-lib[{extra}]"' in error


# --- states of runs that are not finished ----------------------------------------------------


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


# --- processes that are killed, disks that are full -----------------------------------------


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


# --- backends -------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_dask_workers_give_the_records_of_loky(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(Path(tiny.__file__).parent))  # for the workers
    paths = {name: tmp_path / name / "tiny.jsonl" for name in ("loky", "dask")}
    for backend, path in paths.items():
        assert harmonic_run(path, "--backend", backend, "--jobs", "2") == 0
    loky, dask = (outcome(read(path)) for path in paths.values())
    assert dask == loky == expected()
