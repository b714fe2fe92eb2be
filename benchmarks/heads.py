"""How fast and how lean is a distance head, beside the linear head and beside the obvious ways?

`python benchmarks/heads.py` writes `heads.csv` beside itself, case by case; README.md here says
what each column is. Options: `--case NAME ...` for some cases only, whose rows are then replaced
while the others' are kept, and `--rounds`.

All ways to do the same work are timed in turn, in rounds, in this process; the first round
warms up. The memory of each is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from head_tasks import SIZES, Group, Task, Work, build, few_rows, groups, missing
from machine import machine_rows, seconds

import harmonic_lib as hl
from harmonic_lib.evidence.provenance import commit

TABLE = Path(__file__).with_name("heads.csv")
CASES = [*SIZES, "machine"]
ROUNDS = 7
LONG = {"all forms": 2}
COLUMNS = ["case", "operation", "distance", "form", "provider", "N", "K", "D", "dtype", "device"]
COLUMNS += ["threads", "median_ms", "least_ms", "largest_ms", "ratio", "reference", "peak_mb"]
COLUMNS += ["process_mb", "engine", "loss", "per_second", "torch", "commit"]

Row = dict[str, object]


def rows(case: str, rounds: int) -> Iterator[Row]:
    """All that is to be recorded of a case."""
    same = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    same["commit"] = commit()
    if case == "machine":
        for row in machine_rows(rounds):
            yield {"dtype": "float32", "device": device("cpu")} | same | row
        return
    for group in groups(case):
        memory: dict[Task, Row] = {}
        for task in group.tasks:
            # A step's memory is that of the network and its optimiser.
            measured = missing(task) or ({} if case == "step" else memory_of(task))
            if isinstance(measured, str):
                print(f"  left out: {task}: {measured}", flush=True)
            else:
                memory[task] = measured
        for task, found in times(group, list(memory), rounds).items():
            yield asdict(task) | {"device": device(task.on)} | same | memory[task] | found


def device(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


def times(group: Group, tasks: Sequence[Task], rounds: int) -> dict[Task, Row]:
    """Interleaved rounds, so that what else the machine does falls on all alike."""
    works = {task: build(task) for task in tasks}
    found: dict[Task, Row] = {task: {} for task in tasks}
    clocked: list[dict[Task, float]] = []
    for turn in range(rounds + 1):
        start = turn % max(1, len(tasks))
        clocked.append({})
        for task in [*tasks[start:], *tasks[:start]]:
            clocked[-1][task], engine, loss = once(task, works[task])
            if turn == 0:
                found[task] = {"engine": engine, "loss": f"{loss:.6g}"}
    clocked = clocked[1:]  # the first one warmed up
    reference = next((task for task in tasks if task.provider == group.reference), None)
    for task in tasks:
        each = [1e3 * taken[task] for taken in clocked]
        found[task] |= {
            "median_ms": f"{statistics.median(each):.3f}",
            "least_ms": f"{min(each):.3f}",
            "largest_ms": f"{max(each):.3f}",
        }
        if reference:
            ratio = statistics.median(taken[task] / taken[reference] for taken in clocked)
            found[task] |= {"ratio": f"{ratio:.4f}", "reference": group.reference}
    return found


def once(task: Task, work: Work) -> tuple[float, str, float]:
    """One call: its seconds, what engine ran, and its loss."""
    work.forget()
    losses = []

    def timed() -> None:
        losses.append(work())
        if task.on == "cuda":
            torch.cuda.synchronize()

    if task.on == "cuda":
        torch.cuda.synchronize()
    with hl.engine("eager" if task.provider.endswith("eager") else "auto") as ran:
        taken = seconds(timed)
    work.forget()
    return taken, "+".join(sorted(ran)), float(losses[0])


def memory_of(task: Task) -> Row | str:
    """What :func:`memory` says in a fresh process, or why it says nothing."""
    command = [sys.executable, __file__, "--memory", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        return f"it ended with status {done.returncode}: {' '.join(last)}"
    return dict(json.loads(done.stdout.splitlines()[-1]))


def memory(task: Task) -> Row:
    """The most memory in use during a call, in MiB: beyond what was before it, and in all.

    Before it are libraries, inputs, weights, gradients, and compiled kernels.
    """
    work = build(task)
    with hl.engine("eager" if task.provider.endswith("eager") else "auto"):
        work(few_rows(task))
        work.zero()
        loaded = peak(task.on)
        give_back()
        reset_peak(task.on)
        before = peak(task.on)
        work()
    after = peak(task.on)
    return {"peak_mb": f"{after - before:.1f}", "process_mb": f"{max(loaded, after):.1f}"}


def peak(kind: str) -> float:
    """The most memory, in MiB, that this process has held since the last reset."""
    if kind == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins at the most of the process that started this one
        lines = status.read_text().splitlines()
        return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def give_back() -> None:
    """What is freed but kept for later would be taken again unseen. glibc can return it."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


def reset_peak(kind: str) -> None:
    """From now on, where the system can; else the peak is that of the whole process."""
    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def replace_case(path: Path, case: str, new: Sequence[Row]) -> None:
    """Write a case's rows in the place of its old ones; the file is whole at every moment."""
    kept: list[Row] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            kept = [dict(row) for row in csv.DictReader(file) if row["case"] != case]
    table = sorted([*kept, *new], key=lambda row: CASES.index(str(row["case"])))
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--case", nargs="+", choices=CASES, default=CASES, help="only these")
    parser.add_argument("--rounds", type=int, help=f"(default: {ROUNDS}; all forms: 2)")
    parser.add_argument("--memory", metavar="TASK", help="used by the script itself")
    options = parser.parse_args(arguments)
    if options.memory:
        print(json.dumps(memory(Task(**json.loads(options.memory)))))
        return
    for case in options.case:
        print(case, flush=True)
        found = []
        for row in rows(case, options.rounds or LONG.get(case, ROUNDS)):
            found.append(row)
            names = ("operation", "distance", "form", "provider", "K")
            words = " ".join(str(row[name]) for name in names if row.get(name))
            timing = f"{row['median_ms']} ms, ratio {row.get('ratio') or '–'}"
            print(f"  {words}: {timing}, {row.get('peak_mb') or '–'} MiB", flush=True)
        if found:
            replace_case(TABLE, case, found)


if __name__ == "__main__":
    main()
