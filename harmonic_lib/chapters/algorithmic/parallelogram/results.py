"""Parallelograms, from the records."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harmonic_lib.chapters.algorithmic.common.seeds import column, holds, median, runs_of
from harmonic_lib.chapters.algorithmic.parallelogram.quads import TASK
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments.algorithmic import (
    as_released,
    like_for_like,
)


def lessons(found: Sequence[Record]) -> list[tuple[str, str]]:
    """What is said of the heads, and whether the recorded seeds bear it out, with numbers."""
    told = [*like_for_like_lessons(found), length_lesson(found), released_lesson(found)]
    return [(what, holds(truth)) for what, truth in told]


Lesson = tuple[str, bool | None]
"""A statement, and whether the records bear it out; None: they are not there yet."""


def like_for_like_lessons(found: Sequence[Record]) -> list[Lesson]:
    """Of cross-entropy and the harmonic head at exponents 2 and 4."""
    heads = ((None, None), ("euclidean", 2.0), ("euclidean", 4.0))
    own = [runs_of(found, like_for_like(TASK, *head)) for head in heads]
    if not all(own):
        return [("the heads like for like", None)]
    right = 100 * float(torch.cat([column(each, "test_accuracy") for each in own]).min())
    plain, *harmonic = (100 * column(each, "ev_2") for each in own)
    least, most = float(torch.cat(harmonic).min()), float(plain.max())
    error = [median(column(each, "parallelogram_error")) for each in own]
    return [
        (
            f"every seed of every head knows the task (at least {right:.1f} % of the test facts)",
            right > 90,
        ),
        (
            f"every harmonic seed is flatter than any of cross-entropy (EV₂ of at least "
            f"{least:.1f} %, against at most {most:.1f} %)",
            least > most,
        ),
        (
            f"n = 2 closes better than n = 4, and both better than cross-entropy (medians of the "
            f"error: {error[1]:.3f}, {error[2]:.3f}, {error[0]:.3f})",
            error[1] < error[2] < error[0],
        ),
    ]


def length_lesson(found: Sequence[Record]) -> Lesson:
    """Of cross-entropy after our epochs, and after the papers'."""
    short = runs_of(found, like_for_like(TASK, None))
    long = runs_of(found, as_released(TASK, "cross-entropy"))
    if not (short and long):
        return "what 7,000 epochs do to cross-entropy", None
    before, after = (100 * median(column(each, "ev_2")) for each in (short, long))
    said = f"cross-entropy's map is flatter in the papers' protocol (EV₂ {after:.0f} % after "
    said += f"{long[0].config['epochs']} epochs, {before:.0f} % after "
    return said + f"{short[0].config['epochs']} of ours)", after > before


def released_lesson(found: Sequence[Record]) -> Lesson:
    """Of the harmonic head in the papers' protocol."""
    own = runs_of(found, as_released(TASK, "harmonic"))
    if not own:
        return "every harmonic seed is flat in the papers' protocol", None
    flat = int((column(own, "ev_2") >= 0.95).sum())
    said = "in the papers' protocol every harmonic seed has an EV₂ of 95 % and more"
    return f"{said} ({flat} of {len(own)})", flat == len(own)
