"""The page of run statistics."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harmonic_lib.book.outcomes import Outcome, tagged

PAGE = "appendices/run_statistics"
PLACE = "<!-- run statistics -->"


def statistics_page(text: str, outcomes: Sequence[Outcome], fresh: Collection[str]) -> str:
    """The page's text with the table at its place.

    fresh: the names of the chapters that were run for this build; the others' outcomes
    were kept from an earlier one.

    Raises:
        ValueError: the page has no place for the table.
    """
    if PLACE not in text:
        raise ValueError(f"the page {PAGE} has no line {PLACE!r}")
    head = "| chapter | profile | seconds | slowest cell | finished (UTC) | device | this build |"
    rows = [head, "|---|---|--:|---|---|---|---|"]
    for outcome in outcomes:
        facts = outcome.facts
        rows.append(
            f"| {{doc}}`/chapters/{outcome.chapter.name}` | {facts['profile']} "
            f"| {facts['seconds']:.1f} | {slowest_cell(outcome)} | {facts['finished'][:16]} "
            f"| {facts['device']} | {'ran' if outcome.chapter.name in fresh else 'kept'} |"
        )
    total = sum(outcome.facts["seconds"] for outcome in outcomes)
    rows.append(f"| **all** | | **{total:.1f}** | | | | |")
    latest = max(outcomes, key=lambda outcome: str(outcome.facts["finished"]))
    kinds = ", ".join(f"{name} {v}" for name, v in latest.facts["versions"].items())
    return text.replace(PLACE, "\n".join(rows) + f"\n\nVersions of the latest run: {kinds}.")


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
