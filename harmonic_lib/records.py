"""One row a run: what was run, on what, with what outcome; and the papers' numbers beside it."""

from __future__ import annotations

import csv
import dataclasses
import errno
import functools
import hashlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from harmonic_lib.device import device_name
from harmonic_lib.paths import PACKAGE, data_dir


@dataclass(frozen=True)
class Record:
    """The outcome of one run, one JSON line.

    claim: the row of ``data/reported`` it stands beside, or "" where nobody reported one.
    experiment, config, seed: what was run; everything that could change the outcome.
    metrics: what came out, by name.
    data: SHA-256 of the data, by split.
    duration_s: wall time of this run's share of the computation, in seconds.
    """

    claim: str
    experiment: str
    config: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    data: dict[str, str]
    duration_s: float
    device: str
    versions: dict[str, str]
    commit: str
    created: str

    @property
    def config_hash(self) -> str:
        return config_hash(self.config)


def config_hash(config: dict[str, Any]) -> str:
    """The first 12 digits of the SHA-256 of a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Reported:
    """A number that a paper, its figures or its code report; see ``data/reported/README.md``."""

    claim: str
    value: float
    unit: str
    exactness: str
    source: str


def provenance() -> dict[str, Any]:
    """The fields of a record that describe this machine and this code."""
    return {
        "device": device_name(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": commit(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


@functools.cache
def commit() -> str:
    """The checkout's commit, with "+" where the library differs from it; "" outside a checkout.

    An installation inside the checkout of something else is outside: git must know the library.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", str(PACKAGE))
        changed = git("status", "--porcelain", "--", str(PACKAGE))
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def append(path: Path, record: Record) -> None:
    """Add a record to a file of them; it is on the disk when this returns.

    Raises:
        OSError: it could not be written; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {**dataclasses.asdict(record), "config_hash": record.config_hash}
    line = (json.dumps(row) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def read(path: Path) -> list[Record]:
    """All records of a file.

    Raises:
        ValueError: a line is not a record, or its configuration is not the one it was
            hashed with; the message names file and line.
    """
    names = {field.name for field in dataclasses.fields(Record)}
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            digest = row.pop("config_hash")
            if set(row) != names:
                raise ValueError(f"fields {sorted(set(row) ^ names)} missing or unknown")
            record = Record(**row)
            if record.config_hash != digest:
                raise ValueError("config does not match its config_hash")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"{path}:{number}: not a record: {error}") from error
        found.append(record)
    return found


def recorded(experiment: str) -> list[Record]:
    """The committed records of an experiment (``data/results/EXPERIMENT.jsonl``)."""
    return read(data_dir() / "results" / f"{experiment}.jsonl")


def reported(experiment: str) -> dict[str, Reported]:
    """The reported numbers of an experiment (``data/reported/EXPERIMENT.csv``), by claim."""
    path = data_dir() / "reported" / f"{experiment}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Reported(**{**row, "value": float(row["value"])})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]
    return {row.claim: row for row in rows}
