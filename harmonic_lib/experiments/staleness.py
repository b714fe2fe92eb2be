"""Whether today's code would still make a record."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path

from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments.registry import MODULES, code_of, config_hashes
from harmonic_lib.paths import data_dir

COLUMNS = ("experiment", "old", "new", "commit", "configurations")
"""Of the table of codes that give the same numbers: the hashes of both, the commit of the old
one, and how many configurations were run briefly with both."""


def badge(record: Record) -> str:
    """Why a record may be out of date; "" if it is current."""
    if record.experiment not in MODULES:
        return "its experiment is no longer run"
    notes = []
    if code_of(record.experiment, record.config) not in equivalent(record.code):
        notes.append(f"made by earlier code ({record.commit or 'of an unknown commit'})")
    if record.config_hash not in config_hashes(record.experiment):
        notes.append("its configuration is no longer run")
    return "; ".join(notes)


@cache
def equivalent(code: str) -> frozenset[str]:
    """The hash itself, and those of later codes that were seen to give the same numbers."""
    found, waiting = {code}, [code]
    while waiting:
        new = successors()[waiting.pop()] - found
        found |= new
        waiting += new
    return frozenset(found)


@cache
def successors() -> defaultdict[str, set[str]]:
    """The committed table: by the hash of a code, those of codes that give the same numbers."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    with same_code_path().open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["old"]].add(row["new"])
    return found


def same_code_path() -> Path:
    """Where the table is; :mod:`harmonic_lib.sweeps.standing` adds to it."""
    return data_dir() / "results" / "same_code.csv"
