"""The electricity that a machine uses."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

#: codecarbon's classes and ways of reading the hardware's own meters; all else is estimated
METERS = {"GPU", "AppleSiliconChip", "Raspberry", "intel_rapl", "intel_power_gadget", "windows_emi"}


class Meter:
    """The consumption of the whole machine since it was switched on.

    kind: "measured", where the processor (and with it the accelerators) has a meter, or
        "estimated", where it is worked out from the processor's load and its rated power.
        The share of the memory, a few watts, is always estimated.
    """

    def __init__(self, tracker: Any, kind: str) -> None:
        self.tracker, self.kind, self.begun = tracker, kind, time.perf_counter()

    def kwh(self) -> float:
        """Kilowatt-hours up to now."""
        self.tracker.flush()
        return float(self.tracker._total_energy.kWh)

    def kwh_per_second(self) -> float:
        """The mean power up to now."""
        return self.kwh() / (time.perf_counter() - self.begun)


@contextlib.contextmanager
def meter() -> Iterator[Meter]:
    """Measure, or estimate, what this machine uses; it takes some seconds to start.

    codecarbon does it (extra ``energy``), without network and files.

    Raises:
        ModuleNotFoundError: codecarbon is not installed.
    """
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    from codecarbon import OfflineEmissionsTracker

    # the country decides the emissions, which are not read: only the electricity is
    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",
        log_level="error",
        save_to_file=False,
        save_to_api=False,
        save_to_logger=False,
        allow_multiple_runs=True,
    )
    tracker.start()
    try:
        yield Meter(tracker, kind_of(tracker._hardware))
    finally:
        tracker.stop()


def kind_of(hardware: Iterable[object]) -> str:
    """`measured` where each part of the machine but its memory has a meter, else `estimated`."""
    parts = [part for part in hardware if type(part).__name__ != "RAM"]
    metered = [METERS & {type(part).__name__, getattr(part, "_mode", "")} for part in parts]
    return "measured" if parts and all(metered) else "estimated"
