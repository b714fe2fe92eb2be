"""Run chapters side by side with papermill, each kept as soon as it is done."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
import torch
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.outcomes import (
    Outcome,
    faults,
    first_line,
    outcome_path,
    versions,
    write_whole,
)
from harmonic_lib.device import device_name

ENGINE = "harmonic"


@dataclass(frozen=True)
class Job:
    """A chapter to run: what of it, and the key of its outcome."""

    chapter: Chapter
    notebook: NotebookNode
    profile: str
    key: str


class ChapterError(Exception):
    """A chapter that did not run through; the message says where and why."""


class ReportingEngine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine, telling ``on_cell`` the number of each cell as it begins."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, on_cell: Callable[[int], None], **kwargs: Any
    ) -> Any:
        begin = nb_man.cell_start

        def cell_start(cell: NotebookNode, cell_index: int, **more: Any) -> None:
            on_cell(cell_index)
            begin(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register(ENGINE, ReportingEngine)


def run_all(
    todo: Sequence[Job], build: Path, workers: int, console: Console
) -> tuple[list[Outcome], list[str]]:
    """Run the chapters, at most ``workers`` at a time: the outcomes, and a line a failure."""
    outcomes: list[Outcome] = []
    failures: list[str] = []
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("cell"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        threads_a_chapter(workers),
        Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress,
        ThreadPoolExecutor(workers) as pool,
    ):

        def start(job: Job) -> Outcome:
            cells = len(job.notebook.cells) + 1  # papermill adds one: the parameters
            task = progress.add_task(job.chapter.name, total=cells)
            console.print(f"  {job.chapter.name}: running")
            try:
                return run(job, build, lambda cell: progress.update(task, completed=cell))
            finally:
                progress.remove_task(task)

        running = {pool.submit(start, job): job for job in todo}
        try:
            for future in as_completed(running):
                name = running[future].chapter.name
                try:
                    outcome = future.result()
                except ChapterError as error:
                    failures.append(str(error))
                    console.print(f"  {name}: failed", style="red")
                else:
                    outcomes.append(outcome)
                    console.print(f"  {name}: done in {outcome.facts['seconds']:.1f} s")
        except KeyboardInterrupt:
            console.print("interrupted; the chapters that were done are kept")
            progress.stop()
            os._exit(130)  # the running kernels end by themselves when this process does
    return outcomes, failures


def run(job: Job, build: Path, on_cell: Callable[[int], None]) -> Outcome:
    """Run one chapter and keep its outcome.

    Raises:
        ChapterError: a cell failed or has a fault, the kernel died, or the outcome could not be
            written.
    """
    name = job.chapter.name
    running = build / "running" / f"{name}.ipynb"
    begun = time.perf_counter()
    try:
        running.parent.mkdir(parents=True, exist_ok=True)
        notebook = papermill.execute_notebook(
            job.notebook,
            str(running),
            parameters={"profile": job.profile},
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            extra_arguments=["--log-level=50"],  # a kernel's remarks are not the chapter's
            resources={"metadata": {"path": str(job.chapter.path.parent)}},
            on_cell=on_cell,
            shutdown_kernel="immediate",  # all results are here; torch takes a second to leave
        )
        wrong = next(faults(notebook), None)
        if wrong:
            cell, why = wrong
            raise ChapterError(f"{place_of(job, cell.source)}: {why} (all of it: {running})")
        notebook.metadata["papermill"]["input_path"] = job.chapter.path.name
        notebook.metadata["harmonic_run"] = {
            "key": job.key,
            "profile": job.profile,
            "seconds": round(time.perf_counter() - begun, 2),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": device_name(),
            "versions": {"python": platform.python_version()} | versions(),
        }
        write_whole(outcome_path(build, job.chapter, job.profile), nbformat.writes(notebook))
        running.unlink()
    except PapermillExecutionError as error:
        raise ChapterError(
            f"{place_of(job, error.source)}: {error.ename}: {error.evalue}"
            f" (as far as it came: {running})"
        ) from error
    except ChapterError:
        raise
    except Exception as error:  # whatever stops one chapter must not stop the others
        raise ChapterError(f"{name}: {type(error).__name__}: {error}") from error
    return Outcome(job.chapter, notebook)


def place_of(job: Job, source: str) -> str:
    """Where in a chapter a code cell is: its number from 1 ("?" for papermill's own) and words."""
    code = [cell.source for cell in job.notebook.cells if cell.cell_type == "code"]
    number = code.index(source) + 1 if source in code else "?"
    return f"{job.chapter.name}, code cell {number} ({first_line(source)})"


@contextlib.contextmanager
def threads_a_chapter(workers: int) -> Iterator[None]:
    """Share the cores out: each kernel started inside may use its part of them.

    So does torch here, so that what it says of this device is true of the kernels'.
    """
    before, threads = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    share = int(before or max(1, cores() // workers))
    os.environ["OMP_NUM_THREADS"] = str(share)
    torch.set_num_threads(share)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
