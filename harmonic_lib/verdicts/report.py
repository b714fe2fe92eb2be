"""The reported numbers beside ours, in text or Markdown: what ``harmonic report`` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harmonic_lib import markdown
from harmonic_lib.checks import check_name
from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import every_reported
from harmonic_lib.evidence.store import recorded
from harmonic_lib.experiments.staleness import badge
from harmonic_lib.paths import data_dir
from harmonic_lib.verdicts.rule import NAMES, Verdict, counts, verdicts

FORMATS = ("text", "markdown")
COLUMNS = ("claim", "number", "reported", "ours (seeds)", "95 % interval", "verdict", "because")
MINUS = str.maketrans("-", "−")


def every_record() -> dict[str, list[Record]]:
    """All committed records, by experiment, in the order of their files' lines."""
    paths = sorted((data_dir() / "results").glob("*.jsonl"))
    return {path.stem: recorded(path.stem) for path in paths}


def compared(experiment: str | None = None) -> dict[str, list[Verdict]]:
    """The verdicts on all reported numbers, or on an experiment's; by experiment.

    Raises:
        ValueError: no numbers of that experiment were reported.
    """
    rows = every_reported()
    if experiment is not None:
        check_name("experiment", experiment, rows)
        rows = {experiment: rows[experiment]}
    runs = [record for each in every_record().values() for record in each]
    return {name: verdicts(each, runs) for name, each in rows.items()}


def report(found: Mapping[str, Sequence[Verdict]], style: str = "text") -> str:
    """A table of counts, then a table of each experiment's numbers.

    Raises:
        ValueError: an unknown style.
    """
    check_name("format", style, FORMATS)
    parts = [table(*count_table(found), style)]
    for name, each in found.items():
        heading = f"## {name}" if style == "markdown" else name
        cells = [[*line(verdict), because(verdict)] for verdict in each]
        parts += [heading, table(COLUMNS, cells, style)]
    return "\n\n".join(parts)


def count_table(found: Mapping[str, Sequence[Verdict]]) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: the numbers with each verdict, one row per experiment, then the sums."""
    lines = [[name, *map(str, counts(each).values())] for name, each in found.items()]
    every = [verdict for each in found.values() for verdict in each]
    lines.append(["all", *map(str, counts(every).values())])
    lines = [[*each, str(sum(map(int, each[1:])))] for each in lines]
    return ["experiment", *NAMES, "numbers"], lines


def line(verdict: Verdict) -> list[str]:
    """The cells of one number, without the reason."""
    row = verdict.row
    return [
        row.claim,
        number_name(verdict),
        reported_text(verdict),
        ours_text(verdict),
        interval_text(verdict),
        verdict.name,
    ]


def number_name(verdict: Verdict) -> str:
    """Which number of the claim it is."""
    row = verdict.row
    return f"{row.metric}, one run" if row.statistic == "run" else f"{row.metric}, {row.statistic}"


def reported_text(verdict: Verdict) -> str:
    """The reported number with its unit and, where there are several, its number of runs."""
    row = verdict.row
    units = {"1": "", "score 0-10": " of 10"}
    runs = f" ({row.runs})" if row.runs > 1 else ""
    return minus(f"{row.value:.10g}") + units.get(row.unit, f" {row.unit}") + runs


def ours_text(verdict: Verdict) -> str:
    """Our number, in the same unit, and how many seeds it is computed from."""
    if not verdict.records:
        return ""
    number = "" if verdict.ours is None else f"{plain(verdict.ours)} "
    return f"{number}({verdict.seeds})"


def interval_text(verdict: Verdict) -> str:
    """Where the reported number had to lie.

    >>> from harmonic_lib.verdicts.rule import Verdict
    >>> interval_text(Verdict(None, "reproduced", "", 0.5, (-math.inf, 0.62)))
    'up to 0.62'
    """
    if verdict.interval is None:
        return ""
    low, high = verdict.interval
    if math.isinf(low) and math.isinf(high):
        return "no bounds"
    if math.isinf(low):
        return f"up to {plain(high)}"
    return f"from {plain(low)}" if math.isinf(high) else f"{plain(low)} to {plain(high)}"


def plain(value: float) -> str:
    """A number of ours with four digits."""
    return minus(f"{value:.4g}")


def minus(text: str) -> str:
    """A number with a true minus sign."""
    return text.translate(MINUS)


def because(verdict: Verdict) -> str:
    """The reason of a verdict, with the badges of its records."""
    return "; ".join([verdict.reason, *badges(verdict)])


def badges(verdict: Verdict) -> list[str]:
    """The badges of the verdict's records, each once."""
    return [text for text in dict.fromkeys(map(badge, verdict.records)) if text]


def table(head: Sequence[str], lines: Sequence[Sequence[str]], style: str) -> str:
    """A table of left-aligned columns, in Markdown or padded with spaces."""
    if style == "markdown":
        return markdown.table(" | ".join(head), lines, "l" * len(head))
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in [head, *lines])
