"""What the tests of sweeps share: the tiny experiment in the registry, a file of its records."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, key, value in tiny.ENTRIES:
        monkeypatch.setitem(table, key, value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "tiny.jsonl"
