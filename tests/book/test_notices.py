"""A page says which of the records behind it are out of date."""

from __future__ import annotations

from dataclasses import asdict

import fake_records
import nbformat
import pytest
from folders import ROOT
from nbformat.v4 import new_markdown_cell, new_notebook

from harmonic_lib.book import notices
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import distance_sweep
from harmonic_lib.experiments.registry import code_of


def record(distance: str, seed: int, current: bool) -> Record:
    config = asdict(distance_sweep.config(distance, 2.0, "smoke"))
    code = code_of("distance_sweep", config) if current else "0" * 12
    return fake_records.record(
        config, seed, {}, experiment="distance_sweep", code=code, commit="0123456789ab"
    )


def page(monkeypatch: pytest.MonkeyPatch, *records: Record) -> nbformat.NotebookNode:
    """A page on the cosine distance, rendered with these records of the sweep."""
    monkeypatch.setattr(notices, "recorded", lambda _: list(records))
    source = new_notebook(cells=[new_markdown_cell("# Cosine"), new_markdown_cell("Words.")])
    source.metadata["harmonic"] = {
        "data": ["results/distance_sweep.jsonl", "samples/MNIST"],
        "records": {"distance_sweep": {"distance": ["cosine"]}},
    }
    return notices.with_notice(source)


def test_a_page_without_old_records_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = page(monkeypatch, record("cosine", 0, True), record("manhattan", 0, False))
    assert [cell.source for cell in found.cells] == ["# Cosine", "Words."]


def test_a_page_with_old_records_says_so_below_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    found = page(monkeypatch, record("cosine", 0, True), record("cosine", 1, False))
    title, notice, words = (cell.source for cell in found.cells)
    assert (title, words) == ("# Cosine", "Words.")
    assert "1 of the 2 recorded runs" in notice
    assert "made by earlier code (0123456789ab)" in notice


def test_every_chapter_that_narrows_its_records_names_some_that_are_there() -> None:
    for path in sorted(ROOT.glob("chapters/**/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for experiment, chosen in notebook.metadata["harmonic"].get("records", {}).items():
            assert f"results/{experiment}.jsonl" in notebook.metadata["harmonic"]["data"], path
            found = {key: set() for key in chosen}
            for each in notices.records_behind(notebook):
                for key in chosen:
                    found[key].add(each.config[key])
            assert found == {key: set(values) for key, values in chosen.items()}, path
