"""Let records stand under changed code, where short runs of both codes give the same numbers.

``python -m harmonic_lib.sweeps.standing BASE [--root DIR]``, in a checkout: every configuration
that has records is run for two epochs with the library of the commit BASE and with today's.
Where every metric of every configuration behind a pair of code hashes is identical, the pair
goes into ``data/results/same_code.csv``, and :mod:`harmonic_lib.experiments.staleness` counts
such records as current.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harmonic_lib.experiments.staleness import COLUMNS, same_code_path
from harmonic_lib.paths import PACKAGE, data_dir
from harmonic_lib.sweeps import short_runs

Runs = Mapping[tuple[str, str], Mapping[str, Any]]
"""By experiment and hash of the configuration: the code's hash, and the metrics of each seed."""


def main() -> None:
    """Compare the two codes, and add what is the same to the table."""
    parser = argparse.ArgumentParser(description="Let records stand under changed code.")
    parser.add_argument("base", help="the commit of the other code")
    parser.add_argument("--root", type=Path, help="where the complete data sets are")
    options = parser.parse_args()
    git = ["git", "-C", str(PACKAGE.parent), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "base")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), options.base], check=True)
        try:
            before = short(tree, options.root)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    after = short(PACKAGE.parent, options.root)
    same, other = compared(before, after)
    add(same_code_path(), same, options.base)
    print(f"{len(same)} pairs of codes give the same numbers, {len(other)} do not")
    for experiment, old, new in other:
        print(f"not the same: {experiment} {old} {new}")


def short(checkout: Path, root: Path | None) -> Runs:
    """What short runs give with the library of a checkout."""
    command = [sys.executable, short_runs.__file__, str(data_dir() / "results")]
    command += [str(root.resolve())] if root else []
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rows = map(json.loads, done.stdout.splitlines())
    return {(row["experiment"], row["config_hash"]): row for row in rows}


Pair = tuple[str, str, str]
"""An experiment, and the hashes of two codes."""


def compared(before: Runs, after: Runs) -> tuple[Counter[Pair], Counter[Pair]]:
    """The pairs of different codes behind the same configurations, with how many of these.

    First those that give identical metrics for each of their configurations, then the others.
    """
    same: Counter[Pair] = Counter()
    other: Counter[Pair] = Counter()
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        pair = (key[0], old["code"], new["code"])
        # as text, because NaN is not equal to itself
        equal = json.dumps(old["metrics"], sort_keys=True) == json.dumps(
            new["metrics"], sort_keys=True
        )
        if old["code"] != new["code"]:
            (same if equal else other)[pair] += 1
    for pair in other:
        same.pop(pair, None)
    return same, other


def add(path: Path, same: Counter[Pair], base: str) -> None:
    """Append pairs to the table."""
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerows([*pair, base, count] for pair, count in sorted(same.items()))


if __name__ == "__main__":
    main()
