"""The numbers that the papers, their figures and their released code report, one row per number.

They are in ``data/reported``, one CSV file per experiment; its README explains the columns.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
from dataclasses import dataclass
from pathlib import Path

from harmonic_lib.checks import check_name
from harmonic_lib.paths import data_dir

STATISTICS = ("run", "mean", "median", "min", "max", "count")
EXACTNESS = (
    "printed",
    "read off a figure",
    "rescaled score",
    "re-run of the released code",
)


@dataclass(frozen=True)
class Reported:
    """One reported number.

    claim: the configuration that it is about; a record of that configuration names it.
    baseline: the claim in the same file that it is compared with, the same run with another
        head; "" if there is none.
    metric: the name in a record's ``metrics`` that it is compared with.
    statistic: ``run`` (one run), or a statistic of ``runs`` runs; ``count`` is the number of
        runs that did what the metric says.
    value, unit: as reported; in % it is 100 times the metric.
    runs: the number of runs; 0 if the source does not say.
    exactness: how the number is known. source: where it is reported. protocol: what was run.
    tolerance: in the row's unit, the largest difference that still counts as the same number;
        None: the number cannot be compared with ours.
    """

    claim: str
    baseline: str
    metric: str
    statistic: str
    value: float
    unit: str
    runs: int
    exactness: str
    source: str
    protocol: str
    tolerance: float | None

    @property
    def share(self) -> float:
        """The value in the unit of the metric: 0.26 for 26 %."""
        return self.value / 100 if self.unit == "%" else self.value


COLUMNS = tuple(field.name for field in dataclasses.fields(Reported))


def reported(experiment: str) -> list[Reported]:
    """The reported numbers of an experiment, in the order of its file.

    Raises:
        ValueError: no such file, or a file of the folder is invalid; see `read_folder`.
    """
    found = every_reported()
    check_name("experiment with reported numbers:", experiment, found)
    return found[experiment]


def every_reported() -> dict[str, list[Reported]]:
    """All reported numbers, by experiment."""
    return {name: list(rows) for name, rows in read_folder(data_dir() / "reported").items()}


def claims() -> set[str]:
    """Every configuration that a reported number is about."""
    return {row.claim for rows in every_reported().values() for row in rows}


@functools.cache
def read_folder(folder: Path) -> dict[str, tuple[Reported, ...]]:
    """The rows of every CSV file of a folder, by the file's name without its ending.

    Raises:
        ValueError: a file lacks a column or has an unknown one; a field is empty, not a number
            or not one of the names it must be; a tolerance or a number of runs is negative;
            a claim has the same metric and statistic twice in the folder; a baseline is not a
            claim of the file. The message names file and line.
    """
    seen: dict[tuple[str, str, str], str] = {}
    return {path.stem: read_file(path, seen) for path in sorted(folder.glob("*.csv"))}


def read_file(path: Path, seen: dict[tuple[str, str, str], str]) -> tuple[Reported, ...]:
    """The rows of one CSV file.

    seen: file and line of every claim, metric and statistic read so far; the file's are added.
    """
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        header = reader.fieldnames or ()
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path}:1: the columns must be {list(COLUMNS)}, got {list(header)}")
        for fields in reader:
            place = f"{path}:{reader.line_num}"
            try:
                row = parse(fields)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            key = (row.claim, row.metric, row.statistic)
            if key in seen:
                raise ValueError(f"{place}: {', '.join(key)} is already in {seen[key]}")
            seen[key] = place
            rows.append(row)
    claims = {row.claim for row in rows}
    for row in rows:
        if row.baseline and row.baseline not in claims:
            place = seen[row.claim, row.metric, row.statistic]
            raise ValueError(f"{place}: no row has the claim of the baseline {row.baseline!r}")
    return tuple(rows)


def parse(fields: dict[str, str]) -> Reported:
    """One row from its fields.

    Raises:
        ValueError: a field is missing, empty, or not what it must be.
    """
    if None in fields or None in fields.values():  # how csv marks a row that is too long or short
        raise ValueError(f"a row must have {len(COLUMNS)} fields")
    for name, text in fields.items():
        if name not in ("baseline", "tolerance") and not text.strip():
            raise ValueError(f"{name} is empty")
    check_name("statistic", fields["statistic"], STATISTICS)
    check_name("exactness", fields["exactness"], EXACTNESS)
    runs, tolerance = fields["runs"], fields["tolerance"]
    if not runs.isdecimal():
        raise ValueError(f"runs must be a whole number, 0 or more, got {runs!r}")
    return Reported(
        claim=fields["claim"],
        baseline=fields["baseline"],
        metric=fields["metric"],
        statistic=fields["statistic"],
        value=finite("value", fields["value"]),
        unit=fields["unit"],
        runs=int(runs),
        exactness=fields["exactness"],
        source=fields["source"],
        protocol=fields["protocol"],
        tolerance=finite("tolerance", tolerance, least=0.0) if tolerance else None,
    )


def finite(name: str, text: str, least: float = -math.inf) -> float:
    """Parse a finite number of at least ``least``."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"{name} must be a finite number{bound}, got {text!r}")
    return number
