"""Run chapters side by side with papermill, each kept as soon as it is done."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
import torch
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.environment import list_fonts, own_environment, threads_wanted
from harmonic_lib.book.kernel import ENGINE
from harmonic_lib.book.long_outputs import cut
from harmonic_lib.book.outcomes import (
    Outcome,
    code_cells,
    faults,
    first_line,
    outcome_path,
    tagged,
    versions,
    write_whole,
)
from harmonic_lib.device import device_name
from harmonic_lib.interrupts import undisturbed


@dataclass(frozen=True)
class Job:
    """A chapter to run: what of it, and the key of its outcome."""

    chapter: Chapter
    notebook: NotebookNode
    profile: str
    key: str


class ChapterError(Exception):
    """A chapter that did not run through; the message says where and why."""


class Running:
    """A chapter at work: where in it the kernel is, for whoever asks, in any thread."""

    def __init__(self, job: Job, on_cell: Callable[[int], None]) -> None:
        self.job, self.on_cell = job, on_cell
        self.place = job.chapter.name
        self.client: PapermillNotebookClient | None = None

    def start(self, client: PapermillNotebookClient) -> None:
        """Take note of the client that is about to run the cells."""
        self.client = client

    def begin(self, notebook: NotebookNode, index: int) -> None:
        """Take note of the cell that begins."""
        self.on_cell(index)
        if notebook.cells[index].cell_type == "code":
            self.place = place(self.job.chapter.name, notebook, index)

    def kill(self) -> None:
        """Kill the kernel if there is one: the run then fails within a second."""
        kernel = self.client and self.client.km
        if kernel:
            kernel.kill()


def run_all(
    todo: Sequence[Job], build: Path, workers: int, console: Console
) -> tuple[list[Outcome], list[str]]:
    """Run the chapters, at most ``workers`` at a time: the outcomes, and a line a failure.

    Raises:
        KeyboardInterrupt: interrupted; the message names the cells that were running. Their
            kernels are gone, and the outcomes of the chapters that were done are kept.
    """
    outcomes: list[Outcome] = []
    failures: list[str] = []
    at_work: list[Running] = []
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("cell"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    threads = threads_a_chapter(workers, console)
    environment = own_environment(build / "settings") | {"OMP_NUM_THREADS": str(threads)}
    # a chapter that draws names one of them
    sources = [cell.source for job in todo for cell in code_cells(job.notebook)]
    if any("harmonic_lib" in source or "matplotlib" in source for source in sources):
        list_fonts(environment)
    with (
        torch_threads(threads),
        Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress,
        ThreadPoolExecutor(workers) as pool,
    ):

        def start(job: Job) -> Outcome:
            cells = len(job.notebook.cells) + 1  # papermill adds one: the parameters
            task = progress.add_task(job.chapter.name, total=cells)
            console.print(f"  {job.chapter.name}: running")
            running = Running(job, lambda cell: progress.update(task, completed=cell))
            at_work.append(running)
            try:
                return run(running, build, environment)
            finally:
                at_work.remove(running)
                progress.remove_task(task)

        futures: dict[Future[Outcome], Job] = {}
        try:
            for job in todo:
                futures[pool.submit(start, job)] = job
            for future in as_completed(futures):
                name = futures[future].chapter.name
                try:
                    outcome = future.result()
                except ChapterError as error:
                    failures.append(str(error))
                    console.print(f"  {name}: failed", style="red")
                else:
                    outcomes.append(outcome)
                    console.print(f"  {name}: done in {outcome.facts['seconds']:.1f} s")
        except BaseException as error:  # Ctrl-C, or nobody reads what is printed any more
            with undisturbed():
                places = "; ".join(running.place for running in list(at_work))
                stop(pool, at_work)
            if isinstance(error, KeyboardInterrupt):
                where = f"in {places}; " if places else ""
                raise KeyboardInterrupt(f"{where}the chapters that were done are kept") from None
            raise
    return outcomes, failures


def run(running: Running, build: Path, environment: Mapping[str, str]) -> Outcome:
    """Run one chapter and keep its outcome.

    Raises:
        ChapterError: a cell failed or has a fault, the kernel died, or the outcome could not be
            written.
    """
    job, name = running.job, running.job.chapter.name
    unfinished = unfinished_path(build, job)
    begun = time.perf_counter()
    try:
        notebook = papermill.execute_notebook(
            job.notebook,
            str(unfinished),
            parameters={"profile": job.profile},
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            folder=job.chapter.path.parent,
            environment=environment,
            on_start=running.start,
            on_cell=running.begin,
        )
        running.place = name
        cut(notebook)
        wrong = next(faults(notebook), None)
        if wrong:
            cell, why = wrong
            where = place(name, notebook, index_of(notebook, cell))
            raise ChapterError(f"{where}: {why} (all of it: {unfinished})")
        notebook.metadata["papermill"]["input_path"] = job.chapter.path.name
        notebook.metadata["harmonic_run"] = {
            "key": job.key,
            "profile": job.profile,
            "seconds": round(time.perf_counter() - begun, 2),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            # true of the kernel, too: it is this interpreter, with these packages and threads
            "device": device_name(),
            "versions": {"python": platform.python_version()} | versions(),
        }
        write_whole(outcome_path(build, job.chapter, job.profile), nbformat.writes(notebook))
        unfinished.unlink()
    except PapermillExecutionError as error:
        raise ChapterError(
            f"{running.place}: {error.ename}: {in_one_line(error.evalue)}"
            f" (as far as it came: {unfinished})"
        ) from error
    except ChapterError:
        raise
    except Exception as error:  # whatever stops one chapter must not stop the others
        what = f"{type(error).__name__}: {in_one_line(str(error))}"
        raise ChapterError(f"{running.place}: {what}") from error
    return Outcome(job.chapter, notebook)


def unfinished_path(build: Path, job: Job) -> Path:
    """Where papermill writes a chapter's notebook; it stays there if the chapter fails."""
    return build / "running" / f"{job.chapter.name}.ipynb"


def place(name: str, notebook: NotebookNode, index: int) -> str:
    """Where a cell is: the chapter, the code cell's number in it from 1, and its first line.

    papermill's own cell with the parameters is not counted; its number is "?".
    """
    before = [c for c in notebook.cells[: index + 1] if c.cell_type == "code"]
    own = [cell for cell in before if not tagged(cell, "injected-parameters")]
    number = len(own) if own and own[-1] is before[-1] else "?"
    return f"{name}, code cell {number} ({first_line(before[-1].source)})"


def index_of(notebook: NotebookNode, cell: NotebookNode) -> int:
    """Which of a notebook's cells this one is; another one may be equal to it."""
    return next(i for i, each in enumerate(notebook.cells) if each is cell)


def in_one_line(text: str, most: int = 300) -> str:
    """A message without line ends; a very long one is cut."""
    whole = " ".join(text.split())
    return whole if len(whole) <= most else f"{whole[:most]}…"


def stop(pool: ThreadPoolExecutor, at_work: list[Running]) -> None:
    """Start no other chapter, and kill the kernels until no chapter is at work any more."""
    pool.shutdown(wait=False, cancel_futures=True)
    begun = time.monotonic()
    while at_work and time.monotonic() - begun < 30:
        for running in list(at_work):  # also one whose kernel has only just started
            running.kill()
        time.sleep(0.1)


def threads_a_chapter(workers: int, console: Console) -> int:
    """How many threads each kernel may use: its share of the cores, or ``OMP_NUM_THREADS``."""
    share = max(1, cores() // workers)
    try:
        return threads_wanted(os.environ.get("OMP_NUM_THREADS", "")) or share
    except ValueError as error:
        console.print(f"{error}; each chapter has its share of the cores: {share}")
        return share


@contextlib.contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Inside, torch uses so many threads: what it says of this device is true of the kernels'."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
