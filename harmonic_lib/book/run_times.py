"""How long chapters take: measured by the pipeline, kept in the repository, told at their top.

    make run-times

takes the times of the outcomes at hand into ``data/results/run_times.csv`` and writes the
line at the top of each chapter anew.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import nbformat

from harmonic_lib.book.chapters import read_toc
from harmonic_lib.book.outcomes import outcome_path, read_notebook, write_whole
from harmonic_lib.experiments.profiles import PROFILES
from harmonic_lib.paths import data_dir

LINE = re.compile(r"\*\*Run time\*\*[^\n]*")


@dataclass(frozen=True)
class RunTime:
    """One measurement of a chapter."""

    chapter: str
    profile: str
    seconds: int
    device: str
    date: str


def run_times_path() -> Path:
    """Where the times are kept."""
    return data_dir() / "results" / "run_times.csv"


def read_times(path: Path) -> dict[tuple[str, str], RunTime]:
    """The kept times, by chapter and profile."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            RunTime(row["chapter"], row["profile"], int(row["seconds"]), row["device"], row["date"])
            for row in csv.DictReader(file)
        ]
    return {(row.chapter, row.profile): row for row in rows}


def run_time_line(times: Sequence[RunTime]) -> str:
    """The line at the top of a chapter.

    >>> run_time_line([RunTime("a", "quick", 75, "CPU, 2 threads", "2026-11-22")])
    '**Run time**, measured: 1 min 15 s at `quick` (CPU, 2 threads).'
    """
    parts = [f"{spoken(t.seconds)} at `{t.profile}` ({t.device})" for t in times]
    return f"**Run time**, measured: {'; '.join(parts) or 'not yet'}."


def spoken(seconds: int) -> str:
    """Seconds, as one says them."""
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"


def update(root: Path) -> None:
    """Take in the times of the outcomes at hand, and write the chapters' lines anew."""
    times = read_times(run_times_path())
    chapters = [chapter for chapter in read_toc(root) if chapter.runs]
    for chapter in chapters:
        for profile in ("quick", "full"):
            path = outcome_path(root / "_build", chapter, profile)
            if path.is_file():
                facts = read_notebook(path).metadata["harmonic_run"]
                times[chapter.name, profile] = RunTime(
                    chapter=chapter.name,
                    profile=profile,
                    seconds=max(1, round(facts["seconds"])),
                    device=facts["device"],
                    date=facts["finished"][:10],
                )
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RunTime)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(times[key]) for key in sorted(times))
    write_whole(run_times_path(), text.getvalue())
    for chapter in chapters:
        known = [times[chapter.name, p] for p in PROFILES if (chapter.name, p) in times]
        notebook = read_notebook(chapter.path)
        (opening,) = [cell for cell in notebook.cells if cell.id == "title"]
        opening.source = LINE.sub(run_time_line(known), opening.source)
        write_whole(chapter.path, nbformat.writes(notebook) + "\n")
