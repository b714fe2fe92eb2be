"""How many facts are enough: heads by train fraction, on unseen facts, seed by seed.

The protocol is :func:`harmonic_lib.experiments.algorithmic.like_for_like` with ``drawn``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.experiments.by_seed import NOT_YET, column
from harmonic_lib.experiments.leak import REPORTED, reported_curve
from harmonic_lib.markdown import table
from harmonic_lib.measure.paired import PairedDifference, holm, paired_difference
from harmonic_lib.propositions.data_efficiency import (
    expected_unseen,
    follows,
    parallelogram_equations,
)
from harmonic_lib.propositions.leak import expected_leak

FRACTIONS = algo.FRACTIONS
LEVEL, ALPHA = 0.9, 0.05
#: of the runs of the chapter itself
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": (0, 52, 105, 157, 210)}
LIVE = {
    "smoke": (0.1, 0.4),
    "quick": (0.03, 0.1, 0.2, 0.4),
    "full": (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4),
}
STEPS = {"smoke": 4, "quick": 300, "full": 1500}

K = TypeVar("K")


# --- what a fraction is -----------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """A train fraction of a task, in numbers; expected ones where facts are drawn.

    facts: M, in the table. train, test: draws. leak: the share of the test that is seen.
    distinct: different facts trained on. unseen: test draws of facts that are not.
    """

    facts: int
    train: int
    test: int
    leak: float
    distinct: float
    unseen: float


def counts(name: str, fraction: float) -> Counts:
    """Those of :func:`harmonic_lib.data.tasks.released_split`; permutations are not drawn."""
    facts = len(task(name).y)
    draws = facts if name == "permutation" else algo.FACTS
    train = int(fraction * draws)
    test = draws - train
    if name == "permutation":
        return Counts(facts, train, test, 0.0, train, test)
    share = expected_leak(facts, train)
    return Counts(facts, train, test, share, facts * share, expected_unseen(facts, train, test))


def leaks(name: str) -> dict[float, float]:
    """The expected leak by train fraction."""
    return {fraction: counts(name, fraction).leak for fraction in FRACTIONS}


def steps(config: algo.Config) -> int:
    """How many steps of the optimiser a run of drawn facts takes."""
    train = counts(config.task.removesuffix("_as_released"), config.fraction).train
    return config.epochs * math.ceil(train / config.batch_size)


def steps_table(fractions: Sequence[float] = (0.1, 0.4, 0.9)) -> str:
    """Steps of our runs, and of the papers' protocol, by task and fraction, as Markdown."""
    rows = []
    for name in algo.NAMES:
        pairs = [
            (
                config_of(name, "harmonic", fraction),
                algo.as_released(name, "harmonic", fraction=fraction),
            )
            for fraction in fractions
        ]
        cells = [f"{steps(ours):,} of {steps(theirs):,}" for ours, theirs in pairs]
        rows.append([title(name), *cells])
    return table(" | ".join(["task", *(f"{f:g}" for f in fractions)]), rows)


def counts_table(fractions: Sequence[float] = (0.1, 0.4, 0.8, 0.9)) -> str:
    """Different facts, and unseen test draws, by task and fraction, as Markdown."""
    rows = []
    for name in algo.NAMES:
        found = [counts(name, fraction) for fraction in fractions]
        cells = [
            f"{each.distinct:.0f} ({100 * each.distinct / each.facts:.0f} %), {each.unseen:.0f}"
            for each in found
        ]
        rows.append([title(name), f"{found[0].facts:,}", *cells])
    return table(" | ".join(["task", "facts", *(f"{f:g}" for f in fractions)]), rows)


def title(name: str) -> str:
    """
    >>> title("modular_addition")
    'modular addition'
    """
    return name.replace("_", " ")


# --- what is reported -------------------------------------------------------------------------


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


# --- what is recorded -------------------------------------------------------------------------


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


def config_of(name: str, head: str, fraction: float) -> algo.Config:
    """What is recorded of a head at a train fraction."""
    return algo.like_for_like(name, *algo.HEADS[head], fraction=fraction, drawn=True)


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


# --- enough -----------------------------------------------------------------------------------


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


# --- the heads compared -----------------------------------------------------------------------


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


# --- live -------------------------------------------------------------------------------------


def live(
    name: str, fractions: Sequence[float], profile: str, number: int | None = None
) -> dict[str, dict[float, Point]]:
    """Both heads on drawn facts, by head and train fraction, for as many steps at each fraction.

    number: of steps; None: those of the profile. It is rounded to whole epochs.

    Raises:
        ValueError: an unknown task or profile.
    """
    check_name("profile", profile, SEEDS)
    check_name("task", name, algo.NAMES)
    wanted = STEPS[profile] if number is None else number
    result: dict[str, dict[float, Point]] = {}
    for head in algo.HEADS:
        for fraction in fractions:
            config = config_of(name, head, fraction)
            a_round = steps(replace(config, epochs=1))
            config = replace(config, epochs=max(1, round(wanted / a_round)))
            outcome = algo.trained(config, SEEDS[profile])
            result.setdefault(head, {})[fraction] = point(outcome.measurements)
    return result


def following(draws: Sequence[int], seeds: Sequence[int] = algo.SEEDS["full"]) -> dict[int, Tensor]:
    """The share of the parallelograms not trained on that follow from the first draws, (S,).

    By the number of draws. What follows is decided by linear algebra, without a network.
    """
    facts, rows = task("parallelogram"), parallelogram_equations()
    result: dict[int, list[float]] = {number: [] for number in draws}
    for seed in seeds:
        split = released_split(facts, algo.FACTS, 0.9, seed)
        for number, shares in result.items():
            known = split.train[:number]
            rest = torch.ones(len(rows), dtype=torch.bool)
            rest[known] = False
            shares.append(float(follows(rows[known], rows[rest]).double().mean()))
    return {number: torch.tensor(shares) for number, shares in result.items()}
