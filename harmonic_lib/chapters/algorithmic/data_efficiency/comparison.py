"""The heads compared at every train fraction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from harmonic_lib.chapters.algorithmic.common.seeds import NOT_YET
from harmonic_lib.chapters.algorithmic.data_efficiency.fractions import FRACTIONS, title
from harmonic_lib.chapters.algorithmic.data_efficiency.results import ALPHA, Curves, Point
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.markdown import table
from harmonic_lib.statistics.paired import PairedDifference, holm, paired_difference

K = TypeVar("K")


def common(ours: Point, theirs: Point) -> dict[int, tuple[float, float]]:
    """Accuracy on unseen facts of both, by seed, where both have one."""
    by_seed = dict(zip(theirs.seeds, theirs.unseen.tolist(), strict=True))
    pairs = {
        seed: (value, by_seed[seed])
        for seed, value in zip(ours.seeds, ours.unseen.tolist(), strict=True)
        if seed in by_seed
    }
    return {seed: pair for seed, pair in pairs.items() if all(map(math.isfinite, pair))}


def differences(found: Mapping[str, Curves]) -> dict[tuple[str, float], PairedDifference]:
    """Harmonic less cross-entropy on unseen facts, by task and fraction, over common seeds.

    Left out: where one head, or one of the last two common seeds, is missing.
    """
    result = {}
    for name, heads in found.items():
        ours, theirs = heads["harmonic"], heads["cross-entropy"]
        for fraction in sorted(ours.keys() & theirs.keys()):
            pairs = common(ours[fraction], theirs[fraction])
            if len(pairs) > 1:
                mine, others = zip(*pairs.values(), strict=True)
                result[name, fraction] = paired_difference(mine, others)
    return result


@dataclass(frozen=True)
class Average:
    """Harmonic less cross-entropy on unseen facts, in each seed's mean over these fractions.

    ahead, behind: the seeds in which the harmonic head's mean is the higher, and the lower one.
    """

    fractions: tuple[float, ...]
    gain: PairedDifference
    ahead: int
    behind: int


def averages(found: Mapping[str, Curves]) -> dict[str, Average]:
    """By task, over the fractions that both heads have; left out where seeds are missing."""
    result = {}
    for name, heads in found.items():
        ours, theirs = heads["harmonic"], heads["cross-entropy"]
        fractions = tuple(sorted(ours.keys() & theirs.keys()))
        pairs = [common(ours[f], theirs[f]) for f in fractions]
        seeds = sorted(set.intersection(*(set(each) for each in pairs))) if pairs else []
        if len(seeds) > 1:
            mine, others = (
                [sum(p[s][k] for p in pairs) / len(pairs) for s in seeds] for k in (0, 1)
            )
            ahead = sum(a > b for a, b in zip(mine, others, strict=True))
            behind = sum(a < b for a, b in zip(mine, others, strict=True))
            result[name] = Average(fractions, paired_difference(mine, others), ahead, behind)
    return result


def corrected(found: Mapping[K, PairedDifference]) -> dict[K, float]:
    """Holm's p of each, as one family."""
    return dict(zip(found, holm([each.p_value for each in found.values()]), strict=True))


def difference_table(found: Mapping[tuple[str, float], PairedDifference]) -> str:
    """Mean differences in points by task and fraction, a star where Holm's p is below 5 %."""
    p_values = corrected(found)

    def cell(name: str, fraction: float) -> str:
        if (name, fraction) not in found:
            return "–"
        gain = 100 * found[name, fraction].difference.mean
        half = 100 * found[name, fraction].difference.half_width
        shown = f"{round(gain):+d}" if round(gain) else "0"
        return f"{shown} ± {half:.0f}" + " \\*" * (p_values[name, fraction] < ALPHA)

    rows = [[title(name), *(cell(name, f) for f in FRACTIONS)] for name in algo.NAMES]
    return table(" | ".join(["task", *(f"{f:g}" for f in FRACTIONS)]), rows)


def average_table(found: Mapping[str, Average]) -> str:
    """The difference of the means over fractions by task, with Holm's p over the tasks."""
    p_values = corrected({name: own.gain for name, own in found.items()})
    rows: list[list[str]] = []
    for name in algo.NAMES:
        if name not in found:
            rows.append([title(name), NOT_YET, *[""] * 5])
            continue
        own, gain = found[name], found[name].gain
        mean, half = 100 * gain.difference.mean, 100 * gain.difference.half_width
        p = p_values[name]
        shown = f"{p:.2g}" if p >= 0.001 else "< 0.001"
        rows.append(
            [
                title(name),
                f"{len(own.fractions)}",
                f"{gain.seeds}",
                f"{mean:+.1f} ± {half:.1f}",
                f"{gain.effect:+.1f}",
                f"{own.ahead} : {own.behind}",
                shown,
            ]
        )
    return table("task | fractions | seeds | difference | effect | ahead : behind | p", rows)


def sentence(found: Mapping[tuple[str, float], PairedDifference]) -> str:
    """What the comparisons by task and fraction allow to be said, and no more."""
    whole = len(algo.NAMES) * len(FRACTIONS)
    if not found:
        return f"None of the {whole} comparisons is recorded yet"
    p_values = corrected(found)
    told: dict[str, dict[str, list[str]]] = {"higher": {}, "lower": {}}
    for (name, fraction), gain in found.items():
        if p_values[name, fraction] < ALPHA:
            way = "higher" if gain.difference.mean > 0 else "lower"
            told[way].setdefault(title(name), []).append(f"{fraction:g}")
    parts = []
    for way, by_task in told.items():
        number = sum(map(len, by_task.values()))
        where = "; ".join(f"{name} at {', '.join(fs)}" for name, fs in by_task.items())
        parts.append(f"significantly {way} in {number}" + (f" ({where})" if where else ""))
    count = f"all {whole} comparisons"
    if len(found) < whole:
        count = f"the {len(found)} comparisons that are recorded so far, of {whole},"
    rest = len(found) - sum(p < ALPHA for p in p_values.values())
    return (
        f"Of {count} the harmonic head is {' and '.join(parts)}; "
        f"in {rest} these seeds do not tell the heads apart"
    )


def sentence_average(found: Mapping[str, Average]) -> str:
    """What the averages over fractions allow to be said, and no more."""
    if not found:
        return f"Averages over the fractions are {NOT_YET}"
    p_values = corrected({name: own.gain for name, own in found.items()})
    told: dict[str, list[str]] = {"higher": [], "lower": [], "not to be told apart": []}
    for name, own in found.items():
        way = "higher" if own.gain.difference.mean > 0 else "lower"
        told["not to be told apart" if p_values[name] >= ALPHA else way].append(title(name))
    parts = [f"{way} on {', '.join(names)}" for way, names in told.items() if names]
    return (
        f"Averaged over the fractions, accuracy on unseen facts is, for the harmonic head, "
        f"{'; '.join(parts)} ({len(found)} of {len(algo.NAMES)} tasks, level 5 %, Holm)"
    )
