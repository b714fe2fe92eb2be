"""Permutations, from the records."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import tables
from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    Rung,
    column,
    holds,
    median,
    runs_of,
)
from harmonic_lib.chapters.algorithmic.permutations.chance import random_tables
from harmonic_lib.chapters.algorithmic.permutations.groups import TASK
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance


def rungs(found: Sequence[Record]) -> list[Rung]:
    """Those like-for-like exponents that are recorded, and cross-entropy, in order."""
    configs = tables.clean(TASK).values()
    every = [Rung(c.exponent, own) for c in configs if (own := runs_of(found, c))]
    return sorted(every, key=lambda rung: rung.exponent or math.inf)


def coset_table(found: Sequence[Record]) -> str:
    """Like for like, the best coset partition of each seed, as Markdown."""
    columns = "head | seeds | order 2 | 3 | 4 | 6 | 8 | 12 | p at most 0.05"
    columns += " | … of the solved | within (solved) | within (not solved)"
    lines = []
    for label, config in tables.clean(TASK).items():
        own = runs_of(found, config)
        if not own:
            lines.append([label, NOT_YET, *[""] * 10])
            continue
        order, share, p, accuracy = (
            column(own, name)
            for name in (
                "coset_order",
                "coset_within_variance_share",
                "coset_p_value",
                "test_accuracy",
            )
        )
        solved = accuracy > 0.9
        counts = [f"{int((order == size).sum())}" for size in (2, 3, 4, 6, 8, 12)]
        within = (median_text(share[solved]), median_text(share[~solved]))
        low = p <= 0.05
        few = f"{int((low & solved).sum())} of {int(solved.sum())}"
        lines.append([label, f"{len(own)}", *counts, f"{int(low.sum())}", few, *within])
    return table(columns, lines)


def median_text(seeds: Tensor) -> str:
    """A median, or a dash of none."""
    return f"{median(seeds):.2f}" if len(seeds) else "–"


def spectrum_table(found: Sequence[Record]) -> str:
    """EV_k in per cent: reported medians, ours, random tables and the perfect crystal."""
    shown = (1, 2, 3, 4, 6, 8, 10)
    rows: dict[str, list[float] | None] = {}
    medians = {
        (row.claim, row.metric): row.share
        for row in reported(algorithmic.NAME)
        if row.statistic == "median" and row.claim.startswith("permutation-mlp")
    }
    for head in algorithmic.HEADS:
        claim = f"permutation-mlp-{head}"
        rows[f"{head}, reported"] = [medians[claim, f"ev_{k}"] for k in shown]
    theirs = {
        f"{head}, papers' protocol": algorithmic.as_released(TASK, head)
        for head in algorithmic.HEADS
    }
    ours = {f"{name}, like for like": config for name, config in tables.clean(TASK).items()}
    for name, config in (theirs | ours).items():
        own = runs_of(found, config)
        middles = (median(column(own, f"ev_{k}")) for k in shown if own)
        rows[f"{name} ({len(own)} seeds)" if own else name] = list(middles) or None
    chance = torch.stack([explained_variance(rows) for rows in random_tables(50, 0)]).mean(0)
    rows["random numbers"] = [float(chance[k - 1]) for k in shown]
    rows["rotations of a cube"] = [min(k / 9, 1.0) for k in shown]
    lines = [
        (name, *(f"{100 * share:.0f}" for share in shares))
        if shares
        else (name, NOT_YET, *[""] * (len(shown) - 1))
        for name, shares in rows.items()
    ]
    return table("EV_k (%), medians | " + " | ".join(f"k = {k}" for k in shown), lines)


def lessons(found: Sequence[Record]) -> list[tuple[str, str]]:
    """What is said of the heads, and whether the recorded seeds bear it out, with numbers."""
    by_n = {c.exponent: runs_of(found, c) for c in tables.clean(TASK).values()}
    if not all(by_n.get(n) for n in (None, 2.0, 4.0)):
        return [("cross-entropy, n = 2 and n = 4", NOT_YET)]

    def of(n: float | None, metric: str) -> Tensor:
        return column(by_n[n], metric)

    solved = {n: ~of(n, "test_epoch_90").isnan() for n, own in by_n.items() if own}
    counts = {n: int(who.sum()) for n, who in solved.items()}
    names = {n: "cross-entropy" if n is None else f"n = {n:g}" for n in counts}
    told = ", ".join(f"{names[n]}: {c} of {len(by_n[n])}" for n, c in counts.items())
    low = {n: int((of(n, "coset_p_value") <= 0.05).sum()) for n in counts}
    within = of(2.0, "coset_within_variance_share")
    tight = [within[who] for who in (~solved[2.0], solved[2.0])]
    best = float(of(None, "test_accuracy").max())
    shares = [median_text(seeds) for seeds in tight]
    most = max(counts, key=lambda n: (counts[n], -(n or 0)))
    tried = [n for n in counts if n is not None]
    gaps = {n: of(n, "test_epoch_90") - of(n, "train_epoch_90") for n in counts if n and counts[n]}
    delays = {n: median(gap[~gap.isnan()]) for n, gap in gaps.items()}
    by_n_delay = ", ".join(f"{delay:g} at n = {n:g}" for n, delay in delays.items())
    grows = [delay for n, delay in delays.items() if n >= 4]
    return [
        (
            "an exponent of 4 or 8, with others tried below and above, solves it most often (90 % "
            f"of test facts, held for 20 epochs: {told})",
            holds(most in (4.0, 8.0) and min(tried) < most < max(tried)),
        ),
        (
            "the delay of the seeds that do grows from n = 4 on (median number of epochs between "
            f"90 % of the training and of the test facts: {by_n_delay})",
            holds(len(grows) > 1 and grows == sorted(set(grows))),
        ),
        (
            "with n = 2 the seeds that do not solve it have the tighter cosets "
            f"(median share within: {shares[0]}, of the others {shares[1]})",
            holds(all(map(len, tight)) and median(tight[0]) < median(tight[1])),
        ),
        (
            f"cross-entropy has cosets with p at most 0.05 with {low[None]} of {len(by_n[None])} "
            f"seeds, and solves with {counts[None]} (the best is right on {100 * best:.0f} %)",
            holds(low[None] > counts[None]),
        ),
    ]


def gain(found: Sequence[Record]) -> str:
    """Whether EV_2 grows from cross-entropy to n = 2, like for like."""
    configs = {c.exponent: c for c in tables.clean(TASK).values()}
    both = [runs_of(found, configs[n]) for n in (None, 2.0)]
    if not all(both):
        return f"Like for like: {NOT_YET}"
    plain, harmonic = (100 * median(column(own, "ev_2")) for own in both)
    more = "it is larger" if harmonic > plain else "it is not larger"
    return (
        f"Like for like {more}: our medians are {harmonic:.0f} % with n = 2 and "
        f"{plain:.0f} % with cross-entropy"
    )


def flat_and_wrong(found: Sequence[Record]) -> str:
    """Of all recorded harmonic seeds of our protocol: the flattest, and how right they are."""
    own = [
        record
        for config in tables.clean(TASK).values()
        if config.distance
        for record in runs_of(found, config)
    ]
    if not own:
        return f"Our harmonic seeds: {NOT_YET}."
    right = column(own, "test_accuracy") > 0.9
    flat = column(own, "ev_2") >= 0.9
    return (
        f"Of our {len(own)} recorded harmonic seeds, {int(right.sum())} are right on more than "
        f"90 % of the test facts; of the {int(flat.sum())} with an EV₂ of 90 % or more, "
        f"{int((flat & right).sum())}."
    )
