"""Equivalence classes, from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import seeds
from harmonic_lib.chapters.algorithmic.equivalence.geometry import CLASSES, TASK
from harmonic_lib.chapters.algorithmic.equivalence.live import HEADS, tables
from harmonic_lib.chapters.algorithmic.equivalence.proofs import bounds
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Config, Outcome, like_for_like
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance


def protocols() -> dict[str, Config]:
    """The recorded configurations of the two heads, in both protocols."""
    names = dict(zip(algorithmic.HEADS, HEADS, strict=True))
    found = {
        f"as released, {head}": algorithmic.as_released(TASK, head) for head in algorithmic.HEADS
    }
    return found | {
        f"like for like, {name}": like_for_like(TASK, *algorithmic.HEADS[head])
        for head, name in names.items()
    }


def rows_table(found: Sequence[Record]) -> str:
    """EV_2 and EV_4 of the 40 numbers and of all 42 tokens as Markdown, reported and recorded."""
    columns = "MLP | seeds | EV₂, numbers | EV₂, all tokens | EV₄, numbers | EV₄, all tokens"
    lines: list[list[object]] = []
    metrics = ("ev_2", "ev_2_all_tokens", "ev_4", "ev_4_all_tokens")
    for head in algorithmic.HEADS:
        said = {
            row.metric: row
            for row in reported(algorithmic.NAME)
            if row.claim == f"equivalence-mlp-{head}" and row.statistic == "median"
        }
        cells = [f"{100 * said[name].share:g}" if name in said else "–" for name in metrics]
        lines.append([f"reported, {head}", said["ev_2"].runs, *cells])
    for name, config in protocols().items():
        own = seeds.runs_of(found, config)
        if not own:
            lines.append([name, seeds.NOT_YET, *[""] * 4])
            continue
        cells = [seeds.spread(100 * seeds.column(own, metric)) for metric in metrics]
        lines.append([name, len(own), *cells])
    return table(columns, lines)


def simplex_table(found: Sequence[Record]) -> str:
    """Which recorded seeds may be a regular simplex by their EV_2 and EV_4, as Markdown."""
    columns = "MLP | seeds | above 90 % | variance within | EV₂ (%)"
    columns += " | EV₂ of a regular simplex (%) | seeds that may be one"
    lines: list[list[object]] = []
    for name, config in protocols().items():
        own = seeds.runs_of(found, config)
        if not own:
            lines.append([name, seeds.NOT_YET, *[""] * 5])
            continue
        within = seeds.column(own, "within_variance_share")
        low, high = (100 * edge for edge in band(seeds.median(within)))
        accuracy = seeds.column(own, "test_accuracy")
        lines.append(
            [
                name,
                len(own),
                int((accuracy > 0.9).sum()),
                seeds.spread(within, 2),
                seeds.spread(100 * seeds.column(own, "ev_2")),
                f"{low:.0f} to {high:.0f}",
                sum(may_be_regular(record) for record in own),
            ]
        )
    return table(columns, lines)


def band(within: float, j: int = 2) -> tuple[float, float]:
    """Between which EV_j of five equal classes on a regular simplex lies."""
    return bounds(within, j, CLASSES)


def may_be_regular(record: Record) -> bool:
    """Whether no EV_j of the numbers, j up to 4, is outside what a regular simplex allows."""
    within = record.metrics["within_variance_share"]
    ends = {j: band(within, j) for j in range(1, CLASSES)}
    return all(
        low - 1e-6 <= record.metrics[f"ev_{j}"] <= high + 1e-6 for j, (low, high) in ends.items()
    )


def curves(found: Sequence[Record], live: Mapping[str, Outcome]) -> dict[str, Tensor]:
    """EV_1 to EV_10 of the numbers by head, like for like: recorded if there, else this page's.

    With them, as a run of one seed, tight classes on a regular simplex.
    """
    made: dict[str, Tensor] = {}
    for name, (distance, exponent) in HEADS.items():
        own = seeds.runs_of(found, like_for_like(TASK, distance, exponent))
        columns = [seeds.column(own, f"ev_{k}") for k in range(1, 11)]
        shares = [explained_variance(each)[:10] for each in tables(live[name])]
        label = f"{name} ({f'{len(own)} recorded' if own else f'{len(shares)} of this page'})"
        made[label] = torch.stack(columns, 1) if own else torch.stack(shares)
    ideal = torch.arange(1, 11, dtype=torch.float64) / (CLASSES - 1)
    return made | {"a regular simplex without scatter": ideal.clamp_max(1).unsqueeze(0)}


def told(found: Sequence[Record]) -> list[str]:
    """What the like-for-like records say of the two heads, in sentences; one if there are none."""
    configs = {name: like_for_like(TASK, *form) for name, form in HEADS.items()}
    own = {name: seeds.runs_of(found, config) for name, config in configs.items()}
    missing = [name for name, records in own.items() if not records]
    if missing:
        return [f"{' and '.join(missing)}, like for like: {seeds.NOT_YET}"]
    plain, harmonic = own.values()
    said = []
    for metric, name in (("ev_2", "EV₂"), ("within_variance_share", "the variance within classes")):
        ours, theirs = (seeds.median(seeds.column(r, metric)) for r in (harmonic, plain))
        word = "lower" if ours < theirs else "higher"
        said.append(
            f"{name} is **{word}** with the harmonic head, in the median: "
            f"{100 * ours:.0f} % against {100 * theirs:.0f} %"
        )
    counts = [sum(map(may_be_regular, records)) for records in (harmonic, plain)]
    said.append(
        f"by its explained variances, a regular simplex is possible for {counts[0]} of "
        f"{len(harmonic)} harmonic seeds and for {counts[1]} of {len(plain)} of cross-entropy"
    )
    return said
