"""The benchmarks' own arithmetic on small sizes, and what their committed tables say."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "benchmarks"


def table(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_small_distances_are_exact_where_the_expansion_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.util.spec_from_file_location("script", ROOT / "small_distances.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "DISTANCES", [1e-4, 10.0])
    error = {
        (row["provider"], row["near"], row["distance"]): float(row["largest_relative_error"])
        for row in script.errors()
    }
    for near in (1, 12):
        assert error["harmonic_lib", near, "1.000e-04"] < 1e-3
        assert error["expansion", near, "1.000e-04"] > 1
        assert max(error[provider, near, "1.000e+01"] for provider in script.PROVIDERS) < 1e-3


def test_the_recorded_errors_cover_the_range_and_hold() -> None:
    rows = [row for row in table("small_distances.csv") if row["provider"] == "harmonic_lib"]
    distances = sorted({float(row["distance"]) for row in rows})
    assert distances[0] == pytest.approx(1e-4)
    assert distances[-1] == pytest.approx(10)
    assert len(distances) >= 20
    assert max(float(row["largest_relative_error"]) for row in rows) <= 1e-3


@pytest.mark.parametrize("name", ["small_distances.csv", "small_distances_cost.csv"])
def test_every_recorded_number_says_where_it_comes_from(name: str) -> None:
    for row in table(name):
        assert all(row[column] for column in ("dtype", "device", "threads", "torch", "commit"))
        assert not row["commit"].endswith("+"), "recorded with changes that no commit holds"
