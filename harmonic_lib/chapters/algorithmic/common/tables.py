"""The recorded rows of a task: reported beside ours, and like for like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    column,
    epoch_text,
    late,
    median,
    runs_of,
    spread,
    spread_of_counts,
)
from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import Reported, reported
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    HEADS,
    Config,
    as_released,
    claim_of,
    like_for_like,
)
from harmonic_lib.markdown import table

OWN = {
    "parallelogram": ("parallelogram_error", "parallelogram error"),
    "modular_addition": ("ring_score", "ring score"),
    "equivalence": ("within_variance_share", "variance within classes"),
    "genealogy": ("components_90", "axes for 90 %"),
    "permutation": ("coset_within_variance_share", "variance within best cosets"),
}
"""By task, the metric that is its own, and its title."""


def cumulative(found: Sequence[Record], name: str) -> dict[str, Tensor]:
    """EV_1 to EV_10 of a task in the papers' protocol, by head, (S, 10) each."""
    by_head = {head: runs_of(found, as_released(name, head)) for head in HEADS}
    return {
        head: torch.stack([column(own, f"ev_{k}") for k in range(1, 11)], 1)
        for head, own in by_head.items()
        if own
    }


def clean(name: str) -> dict[str, Config]:
    """The like-for-like networks of a task, by their heads' names: cross-entropy first."""
    every = [
        config
        for config in algorithmic.configs("full")
        if config.task == name
        and config.distance in (None, "euclidean")
        and config == like_for_like(name, config.distance, config.exponent)
    ]
    return {head_name(c): c for c in sorted(every, key=lambda config: config.exponent or 0)}


def head_name(config: Config) -> str:
    """The head of a Euclidean or a plain configuration, with its exponent."""
    if config.exponent is None:
        return config.head
    return f"{config.head}, n = {config.exponent:g}"


def clean_table(found: Sequence[Record], name: str) -> str:
    """The like-for-like rows of a task as Markdown, medians over seeds (least to most)."""
    metric, title = OWN[name]
    columns = "head | seeds | got there | 90 % on training facts | 90 % on test facts"
    columns += f" | test accuracy (%) | EV₂ (%) | {title}"
    lines = []
    for label, config in clean(name).items():
        own = runs_of(found, config)
        if not own:
            lines.append([label, NOT_YET, *[""] * 6])
            continue
        seeds = column(own, metric)
        fitted, general = (column(own, f"{part}_epoch_90") for part in ("train", "test"))
        lines.append(
            [
                label,
                f"{len(own)}",
                f"{int((~general.isnan()).sum())}",
                epoch_text(median(late(fitted))),
                epoch_text(median(late(general))),
                spread(100 * column(own, "test_accuracy"), 1),
                spread(100 * column(own, "ev_2"), 1),
                spread_of_counts(seeds) if metric == "components_90" else spread(seeds, 2),
            ]
        )
    return table(columns, lines)


def released_table(found: Sequence[Record], name: str) -> str:
    """The papers' protocol on a task as Markdown: each head reported, and ours below it."""
    columns = "MLP | seeds | EV₂ (%) | got there | 90 % on training facts | 90 % on test facts"
    columns += " | test accuracy (%) | on seen facts | on unseen facts"
    lines = []
    for label in HEADS:
        config = as_released(name, label)
        rows = {
            (row.metric, row.statistic): row
            for row in reported(algorithmic.NAME)
            if row.claim == claim_of(config)
        }
        lines += [reported_line(label, rows), our_line(runs_of(found, config))]
    return table(columns, lines)


def reported_line(label: str, rows: dict[tuple[str, str], Reported]) -> list[str]:
    """The cells of what is reported of a head; a dash where nothing is."""

    def said(metric: str, statistic: str) -> str:
        row = rows.get((metric, statistic))
        return f"{row.value:g}" if row else "–"

    extremes = f"{said('ev_2', 'min')} to {said('ev_2', 'max')}"
    epochs = [said(f"{part}_epoch_90", "median") for part in ("train", "test")]
    seeds = max((row.runs for row in rows.values()), default=0)
    return [
        f"{label}, reported",
        f"{seeds}",
        f"{said('ev_2', 'median')} ({extremes})",
        said("test_epoch_90", "count"),
        *epochs,
        *["–"] * 3,
    ]


def our_line(own: Sequence[Record]) -> list[str]:
    """The cells of our seeds of the same; a seed that never got there is late in a median."""
    if not own:
        return ["ours", NOT_YET, *[""] * 7]
    fitted, general = (column(own, f"{part}_epoch_90") for part in ("train", "test"))
    kinds = [100 * column(own, f"{kind}_accuracy") for kind in ("test", "seen", "unseen")]
    return [
        "ours",
        f"{len(own)}",
        spread(100 * column(own, "ev_2"), 1),
        f"{int((~general.isnan()).sum())}",
        epoch_text(median(late(fitted))),
        epoch_text(median(late(general))),
        *["–" if kind.isnan().any() else spread(kind, 1) for kind in kinds],
    ]
