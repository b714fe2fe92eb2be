"""The badge: why a record may be out of date."""

from __future__ import annotations

from dataclasses import asdict

import fake_records
from fake_records import changed

from harmonic_lib.evidence.code_hash import code_hash
from harmonic_lib.experiments import distance_sweep
from harmonic_lib.experiments.staleness import badge


def test_a_record_of_today_has_no_badge_and_others_say_why() -> None:
    record = fake_records.record({}, 0, {})
    config = asdict(distance_sweep.config("cosine", 2.0, "smoke"))
    today = changed(
        record,
        experiment="distance_sweep",
        config=config,
        code=code_hash(distance_sweep.__name__, "cosine"),
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
