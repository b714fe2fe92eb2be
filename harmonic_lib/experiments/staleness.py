"""Whether today's code would still make a record."""

from __future__ import annotations

from harmonic_lib.evidence.code_hash import code_hash
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments.registry import MODULES, config_hashes


def badge(record: Record) -> str:
    """Why a record may be out of date; "" if it is current."""
    if record.experiment not in MODULES:
        return "its experiment is no longer run"
    notes = []
    if record.code != code_hash(MODULES[record.experiment], record.config.get("distance")):
        notes.append(f"made by earlier code ({record.commit or 'of an unknown commit'})")
    if record.config_hash not in config_hashes(record.experiment):
        notes.append("its configuration is no longer run")
    return "; ".join(notes)
