"""Records that could not be added to their file wait beside it for the next sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from harmonic_lib.evidence import store
from harmonic_lib.evidence.record import Record


def waiting_path(path: Path) -> Path:
    """Where records wait that belong to the file ``path``: among the experiment's checkpoints."""
    return path.with_suffix(".unfinished") / path.name


def put_aside(path: Path, records: Sequence[Record], error: Exception) -> OSError:
    """Keep records that could not be added because of ``error``; the error that says where.

    The sweep must stop: what it would compute next could not be recorded either.
    """
    waiting = waiting_path(path)
    try:
        store.append(waiting, *records)
    except (OSError, ValueError) as again:
        return OSError(f"{error}; nor could the last run's records be kept elsewhere: {again}")
    return OSError(
        f"{error}; the last run's records are in {waiting}: put {path} right, and the next"
        " sweep adds them"
    )


def take_in(path: Path) -> None:
    """Add the records that wait to their file.

    Raises:
        OSError, ValueError: as :func:`harmonic_lib.evidence.store.append`.
    """
    waiting = waiting_path(path)
    if not waiting.exists():
        return
    with FileLock(f"{waiting}.lock"):  # as `append` has it: nobody adds to it meanwhile
        if waiting.exists():
            store.append(path, *store.read(waiting))
            waiting.unlink()
