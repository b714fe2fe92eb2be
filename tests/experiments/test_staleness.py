"""The badge: why a record may be out of date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import fake_records
import pytest
from fake_records import changed

from harmonic_lib.experiments import distance_sweep, staleness
from harmonic_lib.experiments.registry import code_of
from harmonic_lib.experiments.staleness import badge


def test_a_record_of_today_has_no_badge_and_others_say_why() -> None:
    record = fake_records.record({}, 0, {})
    config = asdict(distance_sweep.config("cosine", 2.0, "smoke"))
    today = changed(
        record,
        experiment="distance_sweep",
        config=config,
        code=code_of("distance_sweep", config),
        commit="0123456789ab",
    )
    assert badge(today) == ""
    earlier = changed(today, code="000000000000")
    assert badge(earlier) == "made by earlier code (0123456789ab)"
    other = changed(today, config=config | {"exponent": 2.5})
    assert badge(other) == "its configuration is no longer run"
    unknown = changed(other, code="", commit="")
    assert badge(unknown) == (
        "made by earlier code (of an unknown commit); its configuration is no longer run"
    )
    assert badge(record) == "its experiment is no longer run"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that stands for the committed table of codes that give the same numbers."""
    path = tmp_path / "same_code.csv"
    monkeypatch.setattr(staleness, "same_code_path", lambda: path)
    caches = (staleness.equivalent, staleness.successors)
    for function in caches:
        function.cache_clear()
    yield path
    for function in caches:
        function.cache_clear()


def test_a_code_in_the_table_counts_as_the_later_one(table: Path) -> None:
    config = asdict(distance_sweep.config("cosine", 2.0, "smoke"))
    today = code_of("distance_sweep", config)
    rows = [("a" * 12, "b" * 12), ("b" * 12, today), ("c" * 12, "d" * 12)]
    lines = [f"distance_sweep,{old},{new},0123456789ab,1" for old, new in rows]
    table.write_text("\n".join([",".join(staleness.COLUMNS), *lines]) + "\n")
    record = changed(fake_records.record({}, 0, {}), experiment="distance_sweep", config=config)
    notes = {code: badge(changed(record, code=code * 12)) for code in "abcd"}
    assert notes["a"] == notes["b"] == ""
    assert "earlier code" in notes["c"]
    assert "earlier code" in notes["d"]
