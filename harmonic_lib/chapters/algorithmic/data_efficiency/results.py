"""Data efficiency, from the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.reported import REPORTED, reported_curve
from harmonic_lib.chapters.algorithmic.common.seeds import NOT_YET, column
from harmonic_lib.chapters.algorithmic.data_efficiency.fractions import (
    FRACTIONS,
    config_of,
    counts,
    leaks,
    title,
)
from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.markdown import table

LEVEL, ALPHA = 0.9, 0.05


def reported_curves() -> dict[str, dict[str, dict[float, float]]]:
    """Reported test accuracy by task, network ("MLP, harmonic", …) and train fraction."""
    networks = {"mlp": "MLP", "transformer": "transformer"}
    return {
        name: {
            f"{network}, {head}": reported_curve(name, head, model)
            for model, network in networks.items()
            for head in algo.HEADS
        }
        for name in algo.NAMES
    }


def reported_heads_table() -> str:
    """In how many reported fractions each head is above the other, by task, as Markdown."""
    rows = []
    for name, networks in reported_curves().items():
        cells = []
        for model in ("MLP", "transformer"):
            ours, theirs = networks[f"{model}, harmonic"], networks[f"{model}, cross-entropy"]
            above = sum(ours[f] > theirs[f] for f in REPORTED)
            cells.append(f"{above} : {sum(ours[f] < theirs[f] for f in REPORTED)}")
        rows.append([title(name), *cells])
    return table("task | MLP | transformer", rows)


def on_unseen(accuracy: float, leak: float) -> float:
    """What test accuracy says of unseen facts, if what was seen is remembered."""
    return (accuracy - leak) / (1 - leak)


@dataclass(frozen=True)
class Point:
    """The seeds of a head at a train fraction, (S,) each: accuracies, and the share seen."""

    seeds: tuple[int, ...]
    test: Tensor
    seen: Tensor
    unseen: Tensor
    share: Tensor
    train: Tensor


Curves = Mapping[str, Mapping[float, Point]]
"""By head and train fraction."""


def point(runs: Iterable[Measured]) -> Point:
    """The runs of one configuration, by seed."""
    own = sorted(runs, key=lambda run: run.seed)
    metrics = ("test_accuracy", "seen_accuracy", "unseen_accuracy", "seen_share", "train_accuracy")
    return Point(tuple(run.seed for run in own), *(column(own, name) for name in metrics))


def curves(found: Iterable[Record]) -> dict[str, dict[str, dict[float, Point]]]:
    """What is recorded by task, head and train fraction; nothing where nothing is."""
    by_hash: dict[str, list[Record]] = {}
    for record in found:
        by_hash.setdefault(record.config_hash, []).append(record)

    def along(name: str, head: str) -> dict[float, Point]:
        own = {f: by_hash.get(config_hash(asdict(config_of(name, head, f)))) for f in FRACTIONS}
        return {fraction: point(records) for fraction, records in own.items() if records}

    return {name: {head: along(name, head) for head in algo.HEADS} for name in algo.NAMES}


def recorded_so_far(found: Mapping[str, Curves]) -> str:
    """How much there is, in words.

    >>> recorded_so_far({"a task": {"cross-entropy": {}, "harmonic": {}}})
    'not recorded yet'
    """
    every = [p for heads in found.values() for points in heads.values() for p in points.values()]
    if not every:
        return NOT_YET
    seeds = sorted({len(each.seeds) for each in every})
    number = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    whole = len(FRACTIONS) * sum(len(heads) for heads in found.values())
    return f"recorded: {len(every)} of {whole} curve points, {number} seeds each"


def identity_error(found: Iterable[Point]) -> float:
    """How far test accuracy is from λ seen + (1 - λ) unseen, over all seeds; 0 of none."""
    worst = 0.0
    for each in found:
        parts = each.share * each.seen.nan_to_num() + (1 - each.share) * each.unseen.nan_to_num()
        worst = max(worst, float((each.test - parts).abs().max()))
    return worst


def mix_table(rows: Mapping[str, Point]) -> str:
    """The first seed of each point: its test accuracy as the mix that it is, as Markdown."""
    columns = "run | seed | leak | on seen | on unseen | leak × seen | (1 − leak) × unseen | test"
    lines = []
    for name, each in rows.items():
        share, seen, unseen, test = (
            float(values[0]) for values in (each.share, each.seen, each.unseen, each.test)
        )
        parts = (share * seen, (1 - share) * unseen)
        cells = (f"{100 * value:.1f}" for value in (share, seen, unseen, *parts, test))
        lines.append([name, each.seeds[0], *cells])
    return table(columns, lines)


def enough(unseen: Mapping[float, Tensor], every: Sequence[float] = FRACTIONS) -> str:
    """The smallest fraction at which half of the seeds, (S,), are above 90 % on unseen facts.

    >>> enough({0.1: torch.tensor([0.2, 0.3]), 0.2: torch.tensor([0.2, 0.95])}, [0.1, 0.2, 0.3])
    '0.2'
    >>> enough({0.2: torch.tensor([0.95, 0.95])}, [0.1, 0.2, 0.3])
    '0.2 or less'
    """
    if not unseen:
        return NOT_YET
    for fraction in sorted(unseen):
        if (unseen[fraction] > LEVEL).double().mean() >= 0.5:
            open_below = any(f < fraction and f not in unseen for f in every)
            return f"{fraction:g} or less" if open_below else f"{fraction:g}"
    return f"above {max(every):g}" if all(f in unseen for f in every) else "not so far"


def enough_table(found: Mapping[str, Curves]) -> str:
    """The smallest fraction that is enough, by task and head: reported and recorded."""
    said = reported_curves()
    rows = []
    for name in algo.NAMES:
        shares = leaks(name)
        cells = [
            enough(
                {
                    f: torch.tensor([on_unseen(accuracy, shares[f])])
                    for f, accuracy in said[name][f"MLP, {head}"].items()
                },
                REPORTED,
            )
            for head in algo.HEADS
        ]
        for head in algo.HEADS:
            answer = enough({f: each.unseen for f, each in found[name][head].items()})
            first = answer.split()[0]
            if first in {f"{f:g}" for f in FRACTIONS}:
                answer += f" ({counts(name, float(first)).distinct:.0f})"
            cells.append(answer)
        rows.append([title(name), *cells])
    columns = [f"{head}, {source}" for source in ("reported", "ours") for head in algo.HEADS]
    return table(" | ".join(["task", *columns]), rows)


def unfitted(found: Mapping[str, Curves]) -> dict[str, tuple[int, int]]:
    """By task, how many recorded seeds end below 90 % of their own training facts, of how many."""
    result = {}
    for name, heads in found.items():
        train = [each.train for points in heads.values() for each in points.values()]
        every = torch.cat(train) if train else torch.empty(0)
        result[name] = (int((every <= LEVEL).sum()), len(every))
    return result
