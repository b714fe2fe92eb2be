"""One row a run: what was run, on what, with what outcome."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import platform
import re
import subprocess
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from harmonic_lib.code_hash import code_hash
from harmonic_lib.device import device_name
from harmonic_lib.paths import PACKAGE, data_dir

ENERGY = ("measured", "estimated", "")


@dataclass(frozen=True)
class Record:
    """The outcome of one run, one JSON line.

    claim: the row of ``data/reported`` it stands beside, or "" where nobody reported one.
    experiment, config, seed: what was run; everything that could change the outcome, but for
        dropout, whose noise is drawn for all seeds that are trained together.
    metrics: what came out, by name; NaN where there is no number, such as the epoch at which
        a run got somewhere that it never got to. JSON has no NaN: it is null there.
    data: SHA-256 of the data, by split.
    duration_s: wall time of this run's share of the computation, in seconds.
    commit, code: which code made it, see :func:`commit` and :func:`code_hash`; "": not known.
    flops: floating-point operations of this run's training, as
        :func:`harmonic_lib.measure.flops.flops_of` counts them; None: not counted.
    energy_kwh: this run's share of the machine's consumption; None: not known.
    energy: whether that was "measured" or "estimated"; "" where it is not known.
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
    code: str
    created: str
    flops: float | None = None
    energy_kwh: float | None = None
    energy: str = ""

    @functools.cached_property
    def config_hash(self) -> str:
        return config_hash(self.config)


def config_hash(config: dict[str, Any]) -> str:
    """The first 12 digits of the SHA-256 of a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


# --- where a record comes from --------------------------------------------------------------


def provenance(module: str, distance: str | None) -> dict[str, Any]:
    """The fields of a record that describe this machine and this code.

    module: the experiment's, ``__name__`` there. distance: the one that is used, if any.
    """
    return {
        "device": device_name(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": commit(),
        "code": code_hash(module, distance),
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


def badge(record: Record) -> str:
    """What is to be known of a record that today's code would not make; "" if it would."""
    from harmonic_lib import experiments  # at the call: experiments write records

    if record.experiment not in experiments.RECORDED:
        return "its experiment is no longer run"
    notes = []
    module = experiments.by_name(record.experiment).__name__
    if record.code != code_hash(module, record.config.get("distance")):
        notes.append(f"made by earlier code ({record.commit or 'of an unknown commit'})")
    if record.config_hash not in experiments.config_hashes(record.experiment):
        notes.append("its configuration is no longer run")
    return "; ".join(notes)


# --- one line -------------------------------------------------------------------------------


def encode(record: Record) -> bytes:
    """A record as JSON."""
    row = {**dataclasses.asdict(record), "config_hash": record.config_hash}
    row["metrics"] = {k: None if v != v else v for k, v in record.metrics.items()}
    return json.dumps(row, allow_nan=False).encode()


def parse(line: bytes) -> Record:
    """A record from JSON.

    Raises:
        ValueError: it is not one.
    """
    row = json.loads(line, parse_constant=no_number)
    if not isinstance(row, dict):
        raise ValueError("not an object")
    if set(row) != FIELDS.keys():
        raise ValueError(f"fields {sorted(set(row) ^ FIELDS.keys())} missing or unknown")
    for name, (kind, fits) in FIELDS.items():
        if not fits(row[name]):
            raise ValueError(f"{name} must be {kind}, got {json.dumps(row[name])}")
    if row.pop("config_hash") != config_hash(row["config"]):
        raise ValueError("config does not match its config_hash")
    if row["claim"] and row["claim"] not in known_claims():
        raise ValueError(f"claim {row['claim']!r} is not in data/reported")
    if (row["energy_kwh"] is None) != (row["energy"] == ""):
        raise ValueError("energy_kwh and energy are known together or not at all")
    row["metrics"] = {k: math.nan if v is None else float(v) for k, v in row["metrics"].items()}
    return Record(**row)


#: append sees the same lines each time; what it remembers of them is for its own eyes
remembered = functools.lru_cache(maxsize=100_000)(parse)


def no_number(name: str) -> None:
    """Refuse what Python takes for JSON and nobody else does."""
    raise ValueError(f"{name} is not JSON; write null")


@functools.cache
def known_claims() -> frozenset[str]:
    """Every claim in ``data/reported``."""
    from harmonic_lib.reported import claims

    return frozenset(claims())


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_whole(value: object) -> bool:
    return type(value) is int and value >= 0  # True is an int, and no number


def is_number(value: object) -> bool:
    return type(value) in (int, float) and -1e308 <= value <= 1e308  # type: ignore[operator]


def is_amount(value: Any) -> bool:
    return is_number(value) and value >= 0


def is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def or_null(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def by_name(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def like(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


#: the fields of a line: what each must be, in words and as a test
FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "claim": ("a text", is_text),
    "experiment": ("a text", is_text),
    "config": ("an object", lambda value: isinstance(value, dict)),
    "config_hash": ("12 hexadecimal digits", like("[0-9a-f]{12}")),
    "seed": ("a whole number, 0 or more", is_whole),
    "metrics": ("numbers or null by name", by_name(or_null(is_number))),
    "data": ("texts by name", by_name(is_text)),
    "duration_s": ("a number, 0 or more", is_amount),
    "device": ("a text", is_text),
    "versions": ("texts by name", by_name(is_text)),
    "commit": ('12 hexadecimal digits, perhaps with "+", or ""', like(r"([0-9a-f]{12}\+?)?")),
    "code": ('12 hexadecimal digits or ""', like("([0-9a-f]{12})?")),
    "created": ("a time with its zone", is_time),
    "flops": ("a number, 0 or more, or null", or_null(is_amount)),
    "energy_kwh": ("a number, 0 or more, or null", or_null(is_amount)),
    "energy": (f"one of {ENERGY}", lambda value: value in ENERGY),
}


# --- files of records -----------------------------------------------------------------------


def append(path: Path, *new: Record) -> list[Record]:
    """Add records to a file of them, all or none; they are on the disk when this returns.

    Of a run that the file has, the record that is there stays. A lock beside the file keeps
    other processes from writing meanwhile. What a process that died in the middle of a line
    has left at the end is cut off first.

    Returns:
        The records that were added.

    Raises:
        OSError: they could not be written; the file is as it was.
        ValueError: one of them, or a line of the file, is not a record or is of another
            experiment than the file's; nothing is written.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        old = path.read_bytes() if path.exists() else b""
        lines, torn = split(old)
        there = {run_of(record) for record in parse_lines(path, lines, parse=remembered)}
        missing = [record for record in new if run_of(record) not in there]
        try:
            added = [encode(record) for record in missing]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a record: {error}") from error
        parse_lines(path, added, len(lines) + 1)
        end = len(old) - len(torn)
        ended = old[:end].endswith(b"\n") or not end
        write(path, end, (b"" if ended else b"\n") + b"".join(line + b"\n" for line in added))
    return missing


def run_of(record: Record) -> tuple[str, int]:
    """Which run of its experiment it is of: the configuration's hash, and the seed."""
    return record.config_hash, record.seed


def write(path: Path, end: int, rest: bytes) -> None:
    """Make ``rest`` what follows the first ``end`` bytes of a file, or leave it with these."""
    with path.open("ab", buffering=0) as file:
        file.truncate(end)
        try:
            view = memoryview(rest)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(end)
            what = f"{error.strerror}; the records before it are whole"
            raise OSError(error.errno, what, str(path)) from error


def read(path: Path) -> list[Record]:
    """All records of a file.

    An incomplete last line, which a process left that died in writing it, is not a record:
    it is left out with a warning, and the next :func:`append` cuts it off.

    Raises:
        ValueError: a line is not a record, its configuration is not the one it was hashed
            with, its claim was never reported, it is of another experiment than the file's
            name says, or of a run that the file has before; the message names file and line.
    """
    lines, torn = split(path.read_bytes())
    if torn:
        warnings.warn(
            f"{path}:{len(lines) + 1}: left out: the line is incomplete, its writer died",
            stacklevel=2,
        )
    return parse_lines(path, lines)


def recorded(experiment: str) -> list[Record]:
    """The committed records of an experiment (``data/results/EXPERIMENT.jsonl``)."""
    return read(data_dir() / "results" / f"{experiment}.jsonl")


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """Lines, and what stands after the last line's end if that is not a whole line itself."""
    *lines, rest = content.split(b"\n")
    try:
        json.loads(rest)  # only its line end is missing
    except ValueError:
        return lines, rest
    return [*lines, rest], b""


def parse_lines(
    path: Path,
    lines: Iterable[bytes],
    first: int = 1,
    parse: Callable[[bytes], Record] = parse,
) -> list[Record]:
    """The records of a file's lines, counted from ``first``; for errors see :func:`read`."""
    found: list[Record] = []
    seen: dict[tuple[str, int], int] = {}
    for number, line in enumerate(lines, first):
        try:
            record = parse(line)
            if record.experiment != path.stem:
                raise ValueError(f"experiment {record.experiment!r} in the file of {path.stem!r}")
            if seen.setdefault(run_of(record), number) != number:
                raise ValueError(f"its run is that of line {seen[run_of(record)]}")
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not a record: {error}") from error
        found.append(record)
    return found
