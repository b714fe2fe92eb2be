"""Backends: the same records wherever a sweep runs, whatever dies, and what is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tiny import expected, harmonic_run, outcome

from harmonic_lib.evidence.store import read
from harmonic_lib.sweeps import backends
from harmonic_lib.sweeps.tasks import Result


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
