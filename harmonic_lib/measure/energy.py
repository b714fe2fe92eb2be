"""The electricity that a machine uses."""

from __future__ import annotations

import configparser
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

#: codecarbon's classes and ways of reading the hardware's own meters; all else is estimated
METERS = {"GPU", "AppleSiliconChip", "Raspberry", "intel_rapl", "intel_power_gadget", "windows_emi"}
#: codecarbon's settings that change the reading: a record must not depend on a file beside it
DECISIVE = {
    "force_cpu_power",
    "force_mode_cpu_load",
    "force_ram_power",
    "gpu_ids",
    "measure_power_secs",
    "pue",
    "rapl_include_dram",
    "rapl_prefer_psys",
    "tracking_mode",
}
#: no files, no network, no emissions; codecarbon prefers these to anybody's settings
OPTIONS: dict[str, Any] = {
    "allow_multiple_runs": True,
    "cloud_provider": None,
    "country_iso_code": "USA",  # decides the emissions, which are not read
    "electricitymaps_api_token": "",
    "emissions_endpoint": None,
    "log_level": "error",
    "output_methods": [],
    "region": None,
}


class Meter:
    """The consumption of the whole machine since this meter was started.

    kind: "measured" if the processor and the accelerators have meters, or "estimated" from
        the processor's load and its rated power. The memory's part, a few watts, is always
        estimated.
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
        ValueError: a setting of codecarbon's would change the reading or stop codecarbon; the
            message names it and the file or environment variable that it comes from.
    """
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    check_settings()
    tracker = OfflineEmissionsTracker(**OPTIONS)
    tracker.start()
    try:
        yield Meter(tracker, kind_of(tracker._hardware))
    finally:
        tracker.stop()


def check_settings() -> None:
    """Refuse settings that codecarbon would take from its files or from the environment.

    Raises:
        ValueError: one changes the reading, one stops codecarbon, or a file cannot be parsed.
    """
    from codecarbon.core.config import get_hierarchical_config_with_sources

    try:
        settings, sources = get_hierarchical_config_with_sources()
    except configparser.Error as error:
        raise ValueError(f"codecarbon cannot read its settings: {error}") from error
    for name in sorted(DECISIVE & settings.keys()):
        raise ValueError(
            f"{sources[name]} sets codecarbon's {name} to {settings[name]!r}, which changes the "
            "electricity that is recorded: take the setting out"
        )
    folder = settings.get("output_dir", ".")
    if not Path(folder).exists():
        raise ValueError(
            f"{sources['output_dir']} sets codecarbon's output_dir to {folder!r}: "
            "there is no such folder"
        )


def kind_of(hardware: Iterable[object]) -> str:
    """`measured` where each part of the machine but its memory has a meter, else `estimated`."""
    parts = [part for part in hardware if type(part).__name__ != "RAM"]
    metered = [METERS & {type(part).__name__, getattr(part, "_mode", "")} for part in parts]
    return "measured" if parts and all(metered) else "estimated"
