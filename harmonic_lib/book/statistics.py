"""The page of run statistics."""

from __future__ import annotations

from collections.abc import Sequence

from harmonic_lib.book.outcomes import Outcome, tagged
from harmonic_lib.markdown import table

PAGE = "appendices/run_statistics"
PLACE = "<!-- run statistics -->"
COLUMNS = "chapter | profile | seconds | slowest cell | finished (UTC) | device"


def statistics_page(text: str, outcomes: Sequence[Outcome]) -> str:
    """The page's text with the table at its place.

    Raises:
        ValueError: the page has no place for the table.
    """
    if PLACE not in text:
        raise ValueError(f"the page {PAGE} has no line {PLACE!r}")
    rows = [row(outcome) for outcome in outcomes]
    total = sum(outcome.facts["seconds"] for outcome in outcomes)
    rows.append(["**all**", "", f"**{total:.1f}**", "", "", ""])
    latest = max(outcomes, key=lambda outcome: str(outcome.facts["finished"]))
    kinds = ", ".join(f"{name} {v}" for name, v in sorted(latest.facts["versions"].items()))
    whole = table(COLUMNS, rows, "llrlll")
    return text.replace(PLACE, f"{whole}\n\nVersions of the latest run: {kinds}.")


def row(outcome: Outcome) -> list[str]:
    """The cells of one chapter."""
    facts = outcome.facts
    return [
        f"{{doc}}`/chapters/{outcome.chapter.name}`",
        facts["profile"],
        f"{facts['seconds']:.1f}",
        slowest_cell(outcome),
        facts["finished"][:16],
        facts["device"],
    ]


def slowest_cell(outcome: Outcome) -> str:
    """Which code cell took longest, and how long."""
    code = [
        cell
        for cell in outcome.notebook.cells
        if cell.cell_type == "code" and not tagged(cell, "injected-parameters")
    ]
    times = [float(cell.metadata["papermill"]["duration"] or 0) for cell in code]
    slowest = max(range(len(times)), key=times.__getitem__)
    return f"{slowest + 1} of {len(times)}: {times[slowest]:.1f} s"
