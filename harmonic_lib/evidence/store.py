"""Files of records, one line of JSON each."""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from harmonic_lib.evidence.record import Record, checked, encode
from harmonic_lib.evidence.reported import claims
from harmonic_lib.paths import data_dir


class DamagedError(ValueError):
    """A file of records has a line that is not one: nothing can be added until that is mended."""


def recorded(experiment: str) -> list[Record]:
    """The committed records of an experiment (``data/results/EXPERIMENT.jsonl``)."""
    return read(data_dir() / "results" / f"{experiment}.jsonl")


def read(path: Path) -> list[Record]:
    """All records of a file.

    A process that dies while it writes leaves an incomplete last line. That line is left out
    with a warning, and the next :func:`append` cuts it off.

    Raises:
        ValueError: a line is not a record, its configuration does not match its hash, its claim
            was never reported, its experiment is not the one in the file's name, or its run is
            in the file before. The message names file and line.
    """
    lines, torn = split(path.read_bytes())
    if torn:
        warnings.warn(
            f"{path}:{len(lines) + 1}: left out: the line is incomplete, its writer died",
            stacklevel=2,
        )
    return parse_lines(path, lines)


def append(path: Path, *new: Record) -> list[Record]:
    """Add records to a file, all or none; they are on the disk when this returns.

    A run that the file already has keeps its old record. A lock beside the file stops other
    processes from writing at the same time. An incomplete last line is cut off first.

    Returns:
        The records that were added.

    Raises:
        OSError: they could not be written; the file is as it was.
        DamagedError: a line of the file is not a record or is of another experiment than the
            file's; nothing is written.
        ValueError: one of the new ones is so; nothing is written.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        old = path.read_bytes() if path.exists() else b""
        lines, torn = split(old)
        try:
            there = {run_of(record) for record in parse_lines(path, lines, parse=remembered)}
        except ValueError as error:
            raise DamagedError(str(error)) from error
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
    """What identifies a run within its experiment: the configuration's hash, and the seed."""
    return record.config_hash, record.seed


def write(path: Path, end: int, rest: bytes) -> None:
    """Replace what follows the first ``end`` bytes of a file; if that fails, remove it."""
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


# --- lines ----------------------------------------------------------------------------------


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """The lines of a file, and an incomplete last line, if there is one."""
    *lines, rest = content.split(b"\n")
    try:
        json.loads(rest)  # complete: only its line end is missing
    except ValueError:
        return lines, rest
    return [*lines, rest], b""


def parse(line: bytes) -> Record:
    """A record from a line of JSON.

    Raises:
        ValueError: the line is not a record, or its claim was never reported.
    """
    record = checked(json.loads(line, parse_constant=no_number))
    if record.claim and record.claim not in known_claims():
        raise ValueError(f"claim {json.dumps(record.claim)} is not in data/reported")
    return record


#: Private cache: `append` re-reads the file on every call.
remembered = functools.lru_cache(maxsize=100_000)(parse)
known_claims = functools.cache(claims)


def no_number(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads but JSON does not have."""
    raise ValueError(f"{name} is not JSON; write null")


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
