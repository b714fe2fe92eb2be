"""Sweeps: run what an experiment has not recorded yet, and record each run as soon as it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from harmonic_lib.checks import check_name, check_size
from harmonic_lib.evidence import store
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.record import Record, checked, config_hash
from harmonic_lib.experiments.registry import Experiment
from harmonic_lib.measure.energy import Meter, meter
from harmonic_lib.sweeps.backends import BACKENDS, engine, package, results
from harmonic_lib.sweeps.display import display
from harmonic_lib.sweeps.tasks import Result, attempt, forget, plan
from harmonic_lib.sweeps.unrecorded import put_aside, take_in


@dataclass(frozen=True)
class Outcome:
    """What a sweep did. there: runs that had records before; failed: tasks without records."""

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
    """Do and record the runs of an experiment that the file of records does not have.

    Only this process writes. A run that fails is reported on stderr, and the others go on. If
    the file itself cannot take records any more, because the disk is full or somebody damaged
    it, the sweep stops at once. The records at hand wait in a file beside it, which the next
    sweep takes in; of runs that were not done, the checkpoints remain.
    Long runs keep a checkpoint in a folder beside ``path``, and an interrupted run continues
    from it. A checkpoint is valid only for the code that wrote it; it is deleted once the run
    is recorded. The workers of a cluster keep no checkpoints.

    Args:
        path: the file of records.
        seeds: None for the profile's own.
        where: only the configurations whose fields have these values, written out.
        jobs: how many configurations are trained side by side, each with one thread; 1: one
            after the other in this process, with all of torch's threads.
        backend: joblib's: loky (processes of this machine) or dask.
        scheduler: the address of a Dask cluster; None starts one here with ``jobs`` workers.
        root: where the complete data sets are, on every machine that takes part.
        energy: record each run's share, by time, of the electricity that this machine uses.

    Raises:
        ValueError: an unknown name, or a damaged file of records.
        OSError: a folder that is missing, or a file that cannot take records any more. The
            file is as it was before the write, and the message says where the last ones are.
    """
    check_name("profile", profile, experiment.SEEDS)
    check_machines(backend, jobs, scheduler, root, energy)
    configs = chosen(experiment.configs(profile), where or {})
    store.append(path)  # fails now, not after an hour's run, if the file cannot be written
    take_in(path)
    done = {store.run_of(record) for record in store.read(path)}
    wanted = tuple(dict.fromkeys(seeds if seeds is not None else experiment.SEEDS[profile]))
    tasks = plan(experiment, configs, wanted, done)
    there = len(configs) * len(wanted) - sum(len(task.seeds) for task in tasks)
    if not tasks:
        return Outcome(there, 0, [])
    folder = None if scheduler else path.with_suffix(".unfinished")
    recorded, failed = 0, []
    with ExitStack() as stack:
        power = stack.enter_context(metering()) if energy else None
        stack.enter_context(engine(backend, jobs, scheduler))
        show = stack.enter_context(display(len(tasks)))
        do = partial(attempt, experiment.run, root, folder)
        for result in stack.enter_context(closing(results(tasks, do))):
            if not result.error:
                try:
                    recorded += add(path, stamped(experiment, result, power, jobs))
                    forget(result.task, folder)
                except ValueError as error:  # the experiment's mistake, not the file's
                    result = replace(result, error=str(error))
            if result.error:
                failed.append(result)
            show(result)
    return Outcome(there, recorded, failed)


def add(path: Path, records: list[Record]) -> int:
    """Add records to their file; how many it did not have.

    Raises:
        OSError: the file cannot take them, and so no others; the message says where they are.
        ValueError: they are not records.
    """
    try:
        return len(store.append(path, *records))
    except (OSError, store.DamagedError) as error:
        raise put_aside(path, records, error) from error


def check_machines(
    backend: str, jobs: int, scheduler: str | None, root: Path | None, energy: bool
) -> None:
    """Check the options that say where and with what the runs are done; errors as in `sweep`."""
    check_name("backend", backend, BACKENDS)
    check_size("jobs", jobs)
    if scheduler and backend != "dask":
        raise ValueError(f"a scheduler belongs to the backend dask, got {backend}")
    if scheduler and energy:
        raise ValueError("the energy of other machines than this one cannot be measured from here")
    if root is not None and not root.is_dir():
        raise FileNotFoundError(f"the folder of the data sets does not exist: {root}")


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


def stamped(experiment: Experiment, result: Result, power: Meter | None, jobs: int) -> list[Record]:
    """The records of a result, with their share of the mean power so far if it is metered.

    Raises:
        ValueError: what was measured does not make a record.
    """
    if power is None:
        return [stamp(experiment, result, each) for each in result.measurements]
    rate, kind = power.kwh_per_second() / jobs, power.kind
    return [
        stamp(experiment, result, each, rate * each.duration_s, kind)
        for each in result.measurements
    ]


def stamp(
    experiment: Experiment,
    result: Result,
    measured: Measurement,
    energy_kwh: float | None = None,
    energy: str = "",
) -> Record:
    """The record of a measurement: the only place where records are made.

    Raises:
        ValueError: what was measured does not make a record.
    """
    config = asdict(result.task.config)
    return checked(
        {
            "claim": experiment.claim_of(result.task.config),
            "experiment": experiment.NAME,
            "config": config,
            **vars(measured),
            **result.provenance,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "energy_kwh": energy_kwh,
            "energy": energy,
            "config_hash": config_hash(config),
        }
    )


@contextmanager
def metering() -> Iterator[Meter]:
    """The machine's meter; its seconds to start are counted to no run."""
    package("codecarbon", "energy")
    with meter() as power:
        yield power
