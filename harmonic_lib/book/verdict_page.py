"""The page of verdicts: every reported number once, with what leads to its verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.outcomes import read_notebook
from harmonic_lib.book.repository import address
from harmonic_lib.evidence.record import Record
from harmonic_lib.verdicts import report
from harmonic_lib.verdicts.report import (
    badges,
    compared,
    count_table,
    every_record,
    interval_text,
    number_name,
    ours_text,
    reported_text,
    table,
)
from harmonic_lib.verdicts.rule import Verdict, counts

PAGE = "verdict/verdicts"
PLACE = "<!-- verdicts -->"
COLUMNS = (*report.COLUMNS[:-1], "our runs")
TITLES = {"gpt2": "GPT-2", "imagenet": "ImageNet"}


def verdict_page(text: str, root: Path, book: Sequence[Chapter]) -> str:
    """The page's text with counts and tables at its place.

    Raises:
        ValueError: the page has no place for them.
    """
    if PLACE not in text:
        raise ValueError(f"the page {PAGE} has no line {PLACE!r}")
    found = compared()
    links = Links(root, book, every_record())
    head, lines = count_table(found)
    lines = [[spoken(name), *numbers] for name, *numbers in lines]
    parts = ["## How many", table(head, lines, "markdown"), "## Number by number"]
    parts += [section(name, verdicts, links) for name, verdicts in found.items()]
    return text.replace(PLACE, "\n\n".join(parts))


class Links:
    """Where a row leads: to its chapter, and to the lines of its records."""

    def __init__(
        self, root: Path, book: Sequence[Chapter], records: Mapping[str, Sequence[Record]]
    ) -> None:
        self.data = f"{address(root)}/blob/main/data"
        self.lines = {
            (name, record.config_hash, record.seed): number
            for name, each in records.items()
            for number, record in enumerate(each, 1)
        }
        self.readers: dict[str, list[str]] = {}
        for chapter in book:
            if chapter.runs:
                about = read_notebook(chapter.path).metadata.get("harmonic", {})
                for data in about.get("data", []):
                    self.readers.setdefault(data, []).append(chapter.name)

    def chapter(self, experiment: str, claim: str) -> str | None:
        """The chapter that reads the experiment's reported numbers; of several, the one whose
        name the claim begins with, else the first."""
        readers = self.readers.get(f"reported/{experiment}.csv", [])
        words = {name.rsplit("/")[-1].replace("_", "-").removesuffix("s"): name for name in readers}
        named = [word for word in words if claim.startswith(word)]
        return words[max(named, key=len)] if named else next(iter(readers), None)

    def claim(self, experiment: str, claim: str) -> str:
        """The claim, as a link to its chapter where there is one."""
        chapter = self.chapter(experiment, claim)
        return f"{{doc}}`{claim} </chapters/{chapter}>`" if chapter else claim

    def records(self, records: Sequence[Record]) -> str:
        """Links to the configuration and to the records' lines, neighbours as one."""
        digest, name = records[0].config_hash, records[0].experiment
        numbers = sorted(self.lines[r.experiment, r.config_hash, r.seed] for r in records)
        file = f"{self.data}/results/{name}.jsonl"
        lines = [
            f"[lines {first} to {last}]({file}#L{first}-L{last})"
            if first < last
            else f"[line {first}]({file}#L{first})"
            for first, last in stretches(numbers)
        ]
        return f'<a href="#config-{digest}">{digest}</a>, {", ".join(lines)}'


def stretches(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each stretch of neighbours among rising numbers.

    >>> stretches([1, 2, 3, 7, 9, 10])
    [(1, 3), (7, 7), (9, 10)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def section(name: str, verdicts: Sequence[Verdict], links: Links) -> str:
    """An experiment's numbers, folded: those that we ran, then the others, a line a claim."""
    source = f"[{name}.csv]({links.data}/reported/{name}.csv)"
    parts = [f"Where each number stands, and what was run for it: {source}."]
    ran = [verdict for verdict in verdicts if verdict.records]
    if ran:
        lines = [compared_line(name, verdict, links) for verdict in ran]
        parts += [table(COLUMNS, lines, "markdown"), configurations(ran)]
    rest: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if not verdict.records:
            key = (verdict.row.claim, verdict.name, verdict.reason)
            rest.setdefault(key, []).append(verdict)
    if rest:
        lines = [
            [links.claim(name, claim), "; ".join(map(number, each)), shown(each[0])]
            for (claim, _, _), each in rest.items()
        ]
        parts.append(table(("claim", "reported numbers", "verdict"), lines, "markdown"))
    summary = ", ".join(f"{n} {verdict}" for verdict, n in counts(verdicts).items() if n)
    body = "\n\n".join(parts)
    return f"### {spoken(name)}\n\n````{{dropdown}} {summary}\n{body}\n````"


def compared_line(name: str, verdict: Verdict, links: Links) -> list[str]:
    """The cells of a number that we ran."""
    return [
        links.claim(name, verdict.row.claim),
        anchored(verdict, number_name(verdict)),
        reported_text(verdict),
        ours_text(verdict),
        interval_text(verdict),
        shown(verdict),
        links.records(verdict.records),
    ]


def configurations(ran: Sequence[Verdict]) -> str:
    """The configurations that the numbers' records have, once each."""
    records = {record.config_hash: record for verdict in ran for record in verdict.records}
    lines = [
        [
            f'<span id="config-{digest}">{digest}</span>',
            record.claim,
            f"`{json.dumps(record.config)}`",
        ]
        for digest, record in records.items()
    ]
    return table(("configuration", "claim", "as JSON"), lines, "markdown")


def number(verdict: Verdict) -> str:
    """A reported number that stands in a line with others of its claim."""
    return anchored(verdict, f"{number_name(verdict)}: {reported_text(verdict)}")


def anchored(verdict: Verdict, text: str) -> str:
    """The text as a place that links can lead to, ``verdicts.html#CLAIM-METRIC-STATISTIC``."""
    row = verdict.row
    return f'<span id="{row.claim}-{row.metric}-{row.statistic}">{escape(text)}</span>'


def shown(verdict: Verdict) -> str:
    """The verdict in its colour, its reason, and the badges of its records."""
    kind = verdict.name.replace(" ", "-")
    notes = [f'<span class="verdict-badge">{escape(text)}</span>' for text in badges(verdict)]
    return " ".join(
        [f'<span class="verdict {kind}">{verdict.name}</span>', escape(verdict.reason), *notes]
    )


def spoken(name: str) -> str:
    """An experiment's name as words."""
    return TITLES.get(name, name.replace("_", " ").capitalize())
