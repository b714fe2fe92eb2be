"""The progress of a sweep: a bar in a terminal, one line per task in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import Progress

from harmonic_lib.sweeps.tasks import Result


@contextmanager
def display(total: int) -> Iterator[Callable[[Result], None]]:
    """A function to call with each result; it shows the progress and the time left."""
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
            if result.warning:
                print(f"{result.task}: {result.warning}", file=sys.stderr, flush=True)
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
