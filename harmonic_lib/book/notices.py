"""A notice on every page whose recorded runs today's code might not give again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from harmonic_lib.evidence import recorded
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments.staleness import badge

Chosen = Mapping[str, Sequence[object]]
"""By field of the configuration, the values of the records that a chapter draws."""


def with_notice(page: NotebookNode) -> NotebookNode:
    """The page with a notice below its title if records behind it are out of date."""
    text = notice(list(records_behind(page)))
    if text:
        page.cells.insert(1, new_markdown_cell(text, id="records-out-of-date"))
    return page


def records_behind(page: NotebookNode) -> Iterator[Record]:
    """The records that a chapter names in its metadata, under ``harmonic``.

    ``data`` lists ``results/EXPERIMENT.jsonl``; ``records`` may narrow them down, as in
    ``{"EXPERIMENT": {"task": ["genealogy"]}}``.
    """
    facts = page.metadata.get("harmonic", {})
    for name in facts.get("data", []):
        folder, _, file = name.partition("/")
        if folder == "results" and file.endswith(".jsonl"):
            experiment = file.removesuffix(".jsonl")
            chosen: Chosen = facts.get("records", {}).get(experiment, {})
            for record in recorded(experiment):
                if all(record.config[key] in values for key, values in chosen.items()):
                    yield record


def notice(records: Sequence[Record]) -> str:
    """The notice, as Markdown; "" if all records are current."""
    why = Counter(filter(None, map(badge, records)))
    if not why:
        return ""
    lines = [f"- {count}: {text}" for text, count in sorted(why.items())]
    return "\n".join(
        [
            "```{admonition} Some of the recorded runs are out of date",
            ":class: warning",
            f"{why.total()} of the {len(records)} recorded runs behind this page might come out"
            " otherwise today:",
            "",
            *lines,
            "```",
        ]
    )
