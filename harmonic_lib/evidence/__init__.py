"""What the papers report and what our runs gave. A chapter needs `reported` and `recorded`."""

from harmonic_lib.evidence.reported import reported
from harmonic_lib.evidence.store import recorded

__all__ = ["recorded", "reported"]
