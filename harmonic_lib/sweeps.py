"""Sweeps: an experiment's missing runs, side by side, each recorded as soon as it ends."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib._dask import DaskDistributedBackend
from rich.console import Console
from rich.progress import Progress

from harmonic_lib import records
from harmonic_lib.checks import check_name, check_size
from harmonic_lib.code_hash import code_hash
from harmonic_lib.experiments import Experiment
from harmonic_lib.measure.energy import Meter, meter
from harmonic_lib.records import Record, config_hash

BACKENDS = ("loky", "dask", "ray")


@dataclass(frozen=True)
class Task:
    """One configuration with the seeds that it lacks, which are trained together, by this code."""

    config: Any
    seeds: tuple[int, ...]
    code: str

    def __str__(self) -> str:
        return f"{config_hash(asdict(self.config))}, seeds {' '.join(map(str, self.seeds))}"

    @property
    def file(self) -> str:
        """A name for a file that is about this task alone."""
        return f"{config_hash(asdict(self))}.ckpt"


@dataclass(frozen=True)
class Result:
    """What a task gave: its records, or why there are none, as a traceback."""

    task: Task
    records: list[Record] = field(default_factory=list)
    error: str = ""

    @property
    def reason(self) -> str:
        """The last line of the error."""
        return self.error.strip().splitlines()[-1] if self.error else ""


@dataclass(frozen=True)
class Outcome:
    """What a sweep did. there: runs that were recorded before; failed: those without records."""

    there: int
    recorded: int
    failed: list[Result]


def sweep(
    experiment: Experiment,
    profile: str,
    path: Path,
    *,
    seeds: Sequence[int] | None = None,
    where: Mapping[str, str] | None = None,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    root: Path | None = None,
    energy: bool = False,
) -> Outcome:
    """Do and record an experiment's runs, but those that are in the file of records.

    This process alone writes. A run that fails is reported on stderr, and the rest goes on.
    Runs that are long keep their state in a folder beside ``path``, so that one which is cut
    goes on where it was; a state is of use to the code that left it alone, and goes with the
    record. On another machine's workers nothing is kept.

    Args:
        path: the file of records.
        seeds: None for the profile's own.
        where: only the configurations whose fields have these values, written out.
        jobs: how many configurations are trained side by side, each with one thread; 1: one
            after the other in this process, with all of torch's threads.
        backend: joblib's: loky (processes of this machine), dask or ray.
        scheduler: the address of a Dask or Ray cluster; None starts one here with ``jobs`` workers.
        root: where the complete data sets are, on every machine that takes part.
        energy: record each run's share, by time, of the electricity that this machine uses.

    Raises:
        ValueError: an unknown name, or a damaged file of records.
        OSError: a folder that is missing, or records that cannot be written. The file is as
            it was before the write, and the sweep stops.
    """
    check_name("profile", profile, experiment.SEEDS)
    check_name("backend", backend, BACKENDS)
    check_size("jobs", jobs)
    if scheduler and backend == "loky":
        raise ValueError("a scheduler belongs to the backend dask or ray, got loky")
    if scheduler and energy:
        raise ValueError("the energy of other machines than this one cannot be measured from here")
    if root is not None and not root.is_dir():
        raise FileNotFoundError(f"the folder of the data sets does not exist: {root}")
    configs = chosen(experiment.configs(profile), where or {})
    records.append(path)  # can it be written? an hour's run should not be the first to know
    done = {records.run_of(record) for record in records.read(path)}
    wanted = dict.fromkeys(seeds if seeds is not None else experiment.SEEDS[profile])
    tasks = plan(experiment.__name__, configs, tuple(wanted), done)
    folder = None if scheduler else path.with_suffix(".unfinished")
    runs = sum(len(task.seeds) for task in tasks)
    there, recorded, failed = len(configs) * len(wanted) - runs, 0, []
    with ExitStack() as stack:
        if not tasks:
            return Outcome(there, 0, [])
        power = stack.enter_context(metering()) if energy else None
        stack.enter_context(engine(backend, jobs, scheduler))
        show = stack.enter_context(display(len(tasks)))
        for result in results(tasks, partial(attempt, experiment.run, root, folder)):
            if not result.error:
                try:
                    rows = shares(result.records, power, jobs)
                    recorded += len(records.append(path, *rows))
                except ValueError as error:  # no record: the experiment's mistake, not the disk's
                    result = replace(result, error=str(error))
                else:
                    forget(result.task, folder)
            if result.error:
                failed.append(result)
            show(result)
    return Outcome(there, recorded, failed)


def chosen(configs: Sequence[Any], where: Mapping[str, str]) -> list[Any]:
    """The configurations whose fields have these values; 2 is 2.0.

    Raises:
        ValueError: there is no such field, no such value, or no such configuration.
    """
    rows = [{name: text_of(value) for name, value in asdict(c).items()} for c in configs]
    wanted = {name: text_of(value) for name, value in where.items()}
    for name, value in wanted.items():
        check_name("field", name, rows[0])
        check_name(f"value of {name}", value, dict.fromkeys(row[name] for row in rows))
    found = [c for c, row in zip(configs, rows, strict=True) if wanted.items() <= row.items()]
    if not found:
        raise ValueError(f"no configuration has {', '.join(f'{k}={v}' for k, v in where.items())}")
    return found


def text_of(value: object) -> str:
    """A field's value as text, whole numbers without a point.

    >>> text_of(2.0), text_of("2"), text_of("mlp"), text_of(True)
    ('2', '2', 'mlp', 'True')
    """
    return str(value).removesuffix(".0")


def plan(
    module: str, configs: Iterable[Any], seeds: Sequence[int], done: set[tuple[str, int]]
) -> list[Task]:
    """For each configuration of an experiment's module the seeds that are not done, if any."""
    tasks = []
    for config in configs:
        digest = config_hash(asdict(config))
        missing = tuple(seed for seed in seeds if (digest, seed) not in done)
        if missing:
            tasks.append(Task(config, missing, code_hash(module, config.distance)))
    return tasks


def attempt(
    run: Callable[..., list[Record]], root: Path | None, folder: Path | None, task: Task
) -> Result:
    """Do a task where the backend wants it done; its failure is a result, too."""
    try:
        with checkpoint(task, folder) as kept:
            return Result(task, run(task.config, task.seeds, root, kept))
    except Exception:
        return Result(task, error=traceback.format_exc())


@contextmanager
def checkpoint(task: Task, folder: Path | None) -> Iterator[Path | None]:
    """A file for the state of a task; None where there is no folder or another sweep has it."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / task.file
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path.with_suffix(".lock"), blocking=False))
        except Timeout:
            yield None
        else:
            yield path


def forget(task: Task, folder: Path | None) -> None:
    """Remove the state of a recorded task; folder and lock stay, another sweep may need them."""
    if folder is not None:
        (folder / task.file).unlink(missing_ok=True)


def results(tasks: Sequence[Task], do: Callable[[Task], Result]) -> Iterator[Result]:
    """The results of tasks, in the order in which they end.

    A task's own failure is a result. Where the backend fails instead, because a worker died or
    what a task gave cannot be sent, the tasks that are left are done one by one, to see whose
    fault it is.
    """

    def parallel(some: Iterable[Task]) -> Iterator[Result]:
        # batches of one: each result comes, and is recorded, when its own task ends
        calls = (delayed(do)(task) for task in some)
        yield from Parallel(return_as="generator_unordered", batch_size=1)(calls)

    left = {str(task): task for task in tasks}
    try:
        for result in parallel(tasks):
            del left[str(result.task)]
            yield result
    except Exception:
        for task in left.values():
            try:
                yield from parallel([task])
            except Exception as error:
                yield Result(task, error=f"{type(error).__name__}: {error}")


def shares(rows: Sequence[Record], power: Meter | None, jobs: int) -> Sequence[Record]:
    """The records with their energy: the mean power so far, shared among ``jobs``, times time."""
    if power is None:
        return rows
    rate = power.kwh_per_second() / jobs
    return [replace(r, energy_kwh=rate * r.duration_s, energy=power.kind) for r in rows]


# --- backends -------------------------------------------------------------------------------


@contextmanager
def engine(backend: str, jobs: int, scheduler: str | None = None) -> Iterator[None]:
    """Inside, joblib works with this backend.

    Raises:
        ValueError: its package is not installed; the message names the extra.
    """
    if backend == "loky":
        with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
    elif backend == "dask":
        distributed, dask = package("dask.distributed", "dask"), package("dask", "dask")
        register_parallel_backend("sweep_dask", DaskBackend)
        here = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": "ERROR"}
        with ExitStack() as stack:
            # a run that ends its worker is not tried again: it would end the next one, too
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
            address = scheduler or stack.enter_context(
                distributed.LocalCluster(n_workers=jobs, **here)
            )
            client = stack.enter_context(distributed.Client(address))
            stack.enter_context(parallel_config("sweep_dask", n_jobs=jobs, client=client))
            yield
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        ray = package("ray", "ray")
        base = package("ray.util.joblib.ray_backend", "ray").RayBackend
        # joblib holds it for multiprocessing's pool, which could not; Ray's calls back for each
        streaming = type("StreamingRay", (base,), {"supports_return_generator": True})
        register_parallel_backend("sweep_ray", streaming)
        cluster = {"address": scheduler} if scheduler else {"num_cpus": jobs}
        ray.init(**cluster, include_dashboard=False, logging_level="ERROR")
        try:
            with parallel_config("sweep_ray", n_jobs=jobs):
                yield
        finally:
            ray.shutdown()


class DaskBackend(DaskDistributedBackend):  # type: ignore[misc]
    """Dask's backend that makes a result of a worker's death, where joblib would wait for ever."""

    def submit(self, batch: Any, callback: Callable[[list[Result]], None]) -> Any:
        ((do, (task,), _),) = batch.items

        def tell(future: Any) -> None:
            try:
                result = future.result()
            except Exception as error:
                result = Result(task, error=f"the worker died: {error!r}")
            callback([result])

        future = self.client.submit(do, task, pure=False)
        future.add_done_callback(tell)
        return future


def package(module: str, extra: str) -> ModuleType:
    """A module of a package that not everybody has installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f'{error}; install it: pip install "harmonic-lib[{extra}]"') from error


@contextmanager
def metering() -> Iterator[Meter]:
    """The machine's meter; its seconds to start are no one's energy."""
    package("codecarbon", "energy")
    with meter() as power:
        yield power


# --- what is shown --------------------------------------------------------------------------


@contextmanager
def display(total: int) -> Iterator[Callable[[Result], None]]:
    """What to call with each result: a bar with the time left, or in a pipe a line a task."""
    console, begun, count = Console(highlight=False), time.perf_counter(), 0
    bar = Progress(console=console, disable=not console.is_terminal, speed_estimate_period=86400)
    with bar:
        row = bar.add_task("tasks", total=total)

        def show(result: Result) -> None:
            nonlocal count
            count += 1
            bar.advance(row)
            if result.error:
                print(f"failed: {result.task}\n{result.error}", file=sys.stderr, flush=True)
            if not console.is_terminal:
                left = (time.perf_counter() - begun) / count * (total - count)
                what = "failed" if result.error else "recorded"
                print(f"{count}/{total} {what}: {result.task}; left {duration(left)}", flush=True)

        yield show


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(timedelta(seconds=round(seconds)))
