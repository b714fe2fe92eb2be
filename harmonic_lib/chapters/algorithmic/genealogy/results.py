"""Genealogy, from the records."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.seeds import NOT_YET, column, median, runs_of
from harmonic_lib.chapters.algorithmic.common.splits import expected_leak
from harmonic_lib.chapters.algorithmic.genealogy.ceiling import TASK, facts, split
from harmonic_lib.chapters.algorithmic.genealogy.families import (
    SIBLING,
)
from harmonic_lib.chapters.algorithmic.genealogy.live import EXPONENTS, config_of
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import like_for_like


def by_fraction(found: Sequence[Record]) -> dict[str, dict[float, Tensor]]:
    """Recorded accuracy on facts never told, (S,), by head and by the share of facts told.

    Of the runs on draws with replacement at several train fractions; a share is the expected
    number of different facts among the draws.
    """
    curves: dict[str, dict[float, Tensor]] = {}
    size = len(facts())
    for head, (distance, exponent) in algorithmic.HEADS.items():
        name = head if exponent is None else f"{head}, n = {exponent:g}"
        for fraction in algorithmic.FRACTIONS:
            config = like_for_like(TASK, distance, exponent, fraction=fraction, drawn=True)
            own = runs_of(found, config)
            if own:
                told = expected_leak(size, int(fraction * algorithmic.FACTS))
                unseen = torch.tensor([record.metrics["unseen_accuracy"] for record in own])
                curves.setdefault(name, {})[told] = unseen
    return curves


def against(found: Sequence[Record]) -> dict[str, str]:
    """By head: recorded seeds of the clean split that must know some siblings, and the median.

    These are the seeds whose test accuracy is above the share of facts asked that are not about
    siblings.
    """
    said = {}
    for head in EXPONENTS:
        own = runs_of(found, config_of(head))
        if not own:
            said[head] = NOT_YET
            continue
        accuracy, above = column(own, "test_accuracy"), 0
        for record, reached in zip(own, accuracy.tolist(), strict=True):
            asked = split(record.seed)[1]
            above += reached * len(asked) > sum(fact[1] != SIBLING for fact in asked) + 0.5
        said[head] = f"{above} of {len(own)} seeds (median {100 * median(accuracy):.0f} %)"
    return said
