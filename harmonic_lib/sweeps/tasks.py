"""One task of a sweep, done where the backend chooses, with a checkpoint if there is a folder."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from harmonic_lib.evidence.code_hash import code_hash
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.provenance import provenance
from harmonic_lib.evidence.record import config_hash
from harmonic_lib.experiments.registry import Experiment, words, words_of

Run = Callable[[Any, Sequence[int], "Path | None", "Path | None"], list[Measurement]]
"""An experiment's ``run``: config, seeds, root, checkpoint."""


@dataclass(frozen=True)
class Task:
    """One configuration of an experiment's module with the seeds that have no record yet.

    They are trained together. unused: the words of other configurations, as
    :func:`harmonic_lib.evidence.code_hash.code_hash` takes them.
    """

    module: str
    config: Any
    seeds: tuple[int, ...]
    unused: frozenset[str]

    def __str__(self) -> str:
        return f"{config_hash(asdict(self.config))}, seeds {' '.join(map(str, self.seeds))}"

    @property
    def code(self) -> str:
        """The hash of the code behind it, where this is called."""
        return code_hash(self.module, "run", self.unused)

    @property
    def file(self) -> str:
        """The name of the task's checkpoint; no other task, and no other code, has it."""
        own = {"config": asdict(self.config), "seeds": self.seeds, "code": self.code}
        return f"{config_hash(own)}.ckpt"


@dataclass(frozen=True)
class Result:
    """What a task measured and where, or a traceback that says why it measured nothing."""

    task: Task
    measurements: list[Measurement] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    warning: str = ""

    @property
    def reason(self) -> str:
        """The last line of the error."""
        return self.error.strip().splitlines()[-1] if self.error else ""


def plan(
    experiment: Experiment,
    configs: Iterable[Any],
    seeds: Sequence[int],
    done: set[tuple[str, int]],
) -> list[Task]:
    """One task for each configuration that lacks the records of some seeds."""
    tasks, every = [], words_of(experiment)
    for config in configs:
        values = asdict(config)
        digest = config_hash(values)
        missing = tuple(seed for seed in seeds if (digest, seed) not in done)
        if missing:
            unused = every - words(values)
            tasks.append(Task(experiment.__name__, config, missing, unused))
    return tasks


def attempt(run: Run, root: Path | None, folder: Path | None, task: Task) -> Result:
    """Do a task in the process that the backend chose; a failure is also a result."""
    try:
        where = provenance() | {"code": task.code}  # of the code before it can change
        with checkpoint(task, folder) as kept:
            measured, warning = resumed(run, task, root, kept)
            return Result(task, measured, where, warning=warning)
    except Exception:
        return Result(task, error=traceback.format_exc())


def resumed(
    run: Run, task: Task, root: Path | None, kept: Path | None
) -> tuple[list[Measurement], str]:
    """A run that continues from its checkpoint, or starts afresh if that file is damaged.

    A damaged file gets another name; the second value says so. A run that fails with a
    checkpoint that can be read has failed: its hours are left in it.
    """
    found = kept is not None and kept.exists()
    try:
        return run(task.config, task.seeds, root, kept), ""
    except Exception:
        if kept is None or not found or can_be_loaded(kept):
            raise
    damaged = kept.replace(kept.with_suffix(".damaged"))
    afresh = run(task.config, task.seeds, root, kept)
    return afresh, f"the checkpoint could not be read: {damaged}; the run started afresh"


def can_be_loaded(path: Path) -> bool:
    """Whether a file is a checkpoint as :func:`harmonic_lib.training.save` writes it, unharmed."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return False
    return True


@contextmanager
def checkpoint(task: Task, folder: Path | None) -> Iterator[Path | None]:
    """A file for a task's state; None if there is no folder or another sweep uses the file."""
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
    """Delete a recorded task's checkpoint; folder and lock remain for other sweeps."""
    if folder is not None:
        (folder / task.file).unlink(missing_ok=True)
