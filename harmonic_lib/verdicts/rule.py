"""The verdict on each reported number, by a rule that was written before the runs, and made
stricter once since, for few runs and for counts.

In this order; every number gets exactly one verdict.

not comparable: a score that was rescaled within its figure, a number without a tolerance,
    a median, extreme or count of an unknown number of runs.
not run: no record of ours has the claim and the metric.
not comparable: a value of ours is missing, and the protocol does not say that it is left out;
    or our runs are too few to say where the number would have to lie.
reproduced: the reported number lies in our 95 % interval, widened by the tolerance. The
    interval is where the same statistic of as many more runs of ours would fall: for one run
    or a mean by Student's t, for a median, a minimum or a maximum by ranks; a count is held
    against ours by Fisher's exact test. A mean of an unknown number of runs is held against
    the interval of our own mean. One run of ours has no interval: one reported run or a mean
    is held against it by the tolerance.
same direction: two heads were reported to differ by more than the tolerances, and ours differ
    in the same direction over the same seeds (paired t-test, for counts the sign test, p < 0.05
    after Holm's correction over the recorded pairs of heads with this metric and statistic).
not reproduced: everything else.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import Reported
from harmonic_lib.statistics.interval import prediction_interval
from harmonic_lib.statistics.order_statistics import median_interval, order_interval
from harmonic_lib.statistics.paired import PairedDifference, holm, paired_difference
from harmonic_lib.statistics.sign_test import sign_test

NAMES = ("reproduced", "same direction", "not reproduced", "not comparable", "not run")
ALPHA = 0.05
#: unit -> the factor from the metric to this unit; it is 1 for all other units
SCALE = {"%": 100.0, "pp": 100.0}
OURS: dict[str, Callable[[Sequence[float]], float]] = {
    "run": statistics.fmean,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "count": math.fsum,
}


@dataclass(frozen=True)
class Verdict:
    """The verdict on a reported number, with its reason.

    name: one of ``NAMES``.
    ours: the same statistic of our runs, in the row's unit; None if it was not computed.
    interval: where the reported number had to lie, before the tolerance; None without one.
    records: our runs of the claim that have the metric.
    seeds: how many of them ``ours`` is computed from; the others are left out.
    """

    row: Reported
    name: str
    reason: str
    ours: float | None = None
    interval: tuple[float, float] | None = None
    records: tuple[Record, ...] = ()
    seeds: int = 0


@dataclass(frozen=True)
class Direction:
    """A reported difference of two heads, and ours over the same seeds, in the row's unit."""

    reported: float
    tolerance: float
    ours: PairedDifference
    p_value: float  # after Holm's correction

    @property
    def same(self) -> bool:
        """Whether both differ in the same direction, and neither by chance or rounding."""
        known = abs(self.reported) > self.tolerance
        alike = self.reported * self.ours.difference.mean > 0
        return known and alike and self.p_value < ALPHA


def verdicts(rows: Sequence[Reported], records: Iterable[Record]) -> list[Verdict]:
    """The verdict on each reported number of an experiment, in their order."""
    runs: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        runs[record.claim].append(record)
    pairs = directions(rows, runs)
    return [verdict(row, runs.get(row.claim, ()), pairs.get(row)) for row in rows]


def verdict(
    row: Reported, records: Sequence[Record], direction: Direction | None = None
) -> Verdict:
    """The verdict on one number; the module's docstring has the rule.

    records: those of the row's claim.
    direction: how the head compares with its baseline, if that could be tested.
    """
    found = tuple(record for record in records if row.metric in record.metrics)

    def say(name: str, reason: str) -> Verdict:
        return Verdict(row, name, reason, records=found, seeds=len(found))

    hindrance = incomparable(row)
    if hindrance:
        return say("not comparable", hindrance)
    if not found:
        return say("not run", "our runs do not measure it" if records else "no run of ours yet")
    if len({record.config_hash for record in found}) > 1:
        return say("not comparable", "our runs of it are not of one configuration")
    values, note = list(sample(row, found).values()), ""
    missing = sum(map(math.isnan, values))
    if missing:
        note = f"; {missing} of our {len(values)} seeds never got there"
        if drops(row):
            values = [value for value in values if not math.isnan(value)]
            note += " and are left out, as theirs are"
        else:
            return say("not comparable", note.removeprefix("; "))
    if not values:
        return say("not reproduced", "none of our seeds got there")
    name, reason, interval = compare(row, values)
    if name == "not reproduced" and direction is not None:
        name = "same direction" if direction.same else name
        reason += f"; {direction_text(direction)}"
    ours = OURS[row.statistic](values)
    return Verdict(row, name, reason + note, ours, interval, found, len(values))


def incomparable(row: Reported) -> str:
    """Why a number cannot be compared with any run of ours; "" if it can."""
    if row.exactness == "rescaled score":
        return "a score, rescaled within its figure"
    if row.exactness == "re-run of the released code":
        return "not reported: found by running the released code"
    if row.tolerance is None:
        return "only a rough number: it has no tolerance"
    if not row.runs and row.statistic in ("median", "min", "max", "count"):
        return "its source does not say of how many runs"
    return ""


def counts_epochs(row: Reported) -> bool:
    """Whether the metric is the epoch at which something happened; NaN: it never did."""
    return row.metric.endswith("epoch_90")


def drops(row: Reported) -> bool:
    """Whether the protocol leaves out seeds that never reach it."""
    return "dropped" in row.protocol


def compare(row: Reported, values: Sequence[float]) -> tuple[str, str, tuple[float, float] | None]:
    """Name, reason and interval of the verdict, before the direction; ``values``: ours."""
    if row.statistic == "count":
        return compare_counts(row, values)
    slack = (row.tolerance or 0.0) + 1e-9 * max(1.0, abs(row.value))  # rounding is no difference
    if len(values) == 1 and row.statistic in ("run", "mean"):
        if abs(row.value - values[0]) <= slack:
            return "reproduced", "our one run is within the tolerance", None
        return "not reproduced", "our one run is beyond the tolerance", None
    low, high = interval_of(row, values)
    if math.isinf(low) and math.isinf(high):
        return "not comparable", f"our runs are too few to bound it: {len(values)}", (low, high)
    if low - slack <= row.value <= high + slack:
        beyond = row.value < min(values) - slack or row.value > max(values) + slack
        if beyond and math.isinf(low if row.value < min(values) else high):
            reason = f"beyond all of ours, where {len(values)} runs set no bound"
            return "not comparable", reason, (low, high)
        return "reproduced", "inside our interval", (low, high)
    return "not reproduced", "outside our interval", (low, high)


def interval_of(row: Reported, values: Sequence[float]) -> tuple[float, float]:
    """Where the row's statistic of ``row.runs`` more runs of ours would fall."""
    if row.statistic in ("run", "mean"):
        runs = 1 if row.statistic == "run" else row.runs or math.inf
        student = prediction_interval(values, runs=runs)
        return student.low, student.high
    if row.statistic == "median":
        return median_interval(values, row.runs)
    return order_interval(values, row.runs, 1 if row.statistic == "min" else row.runs)


def compare_counts(
    row: Reported, values: Sequence[float]
) -> tuple[str, str, tuple[float, float] | None]:
    """Their count of ``row.runs`` against ours, by Fisher's exact test, two-sided."""
    from scipy.stats import fisher_exact

    theirs, ours = round(row.value), round(math.fsum(values))
    table = [[theirs, row.runs - theirs], [ours, len(values) - ours]]
    p_value = float(fisher_exact(table).pvalue)
    name = "reproduced" if p_value >= ALPHA else "not reproduced"
    return name, f"{theirs} of {row.runs} against {ours} of {len(values)}: p = {p_value:.2g}", None


def sample(row: Reported, records: Iterable[Record]) -> dict[int, float]:
    """Our values by seed, in the row's unit; of a count, whether it happened (0 or 1)."""
    values = {record.seed: record.metrics[row.metric] for record in records}
    if row.statistic == "count":
        reached = counts_epochs(row)
        return {s: float(not math.isnan(v) if reached else v == 1) for s, v in values.items()}
    return {seed: SCALE.get(row.unit, 1.0) * value for seed, value in values.items()}


def directions(
    rows: Sequence[Reported], runs: Mapping[str, Sequence[Record]]
) -> dict[Reported, Direction]:
    """The heads that can be compared with their baseline over common seeds, p-values by Holm.

    A family for Holm's correction is all pairs with one metric and one statistic. Minima and
    maxima are left out: no seed pairs them. A baseline that only one head is compared with
    has the direction of that head.
    """
    challengers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        challengers[row.baseline].add(row.claim)
    by_key = {(row.claim, row.metric, row.statistic): row for row in rows}
    families: dict[tuple[str, str], list[tuple[Reported, Reported, PairedDifference]]]
    families = defaultdict(list)
    for row in rows:
        other = by_key.get((row.baseline, row.metric, row.statistic))
        if other is None or row.statistic in ("min", "max"):
            continue
        hindered = incomparable(row) or incomparable(other)
        paired = None if hindered else paired_over_seeds(row, other, runs)
        if paired is not None:
            families[row.metric, row.statistic].append((row, other, paired))
    found = {}
    for family in families.values():
        adjusted = holm([paired.p_value for _, _, paired in family])
        for (row, other, paired), p_value in zip(family, adjusted, strict=True):
            of, other_of = (r.runs if r.statistic == "count" else 1 for r in (row, other))
            difference = row.value / of - other.value / other_of  # of counts: of shares
            tolerance = (row.tolerance or 0.0) / of + (other.tolerance or 0.0) / other_of
            direction = Direction(difference, tolerance, paired, p_value)
            found[row] = direction
            if len(challengers[other.claim]) == 1:
                found[other] = direction
    return found


def paired_over_seeds(
    row: Reported, other: Reported, runs: Mapping[str, Sequence[Record]]
) -> PairedDifference | None:
    """Our difference of two claims; None if it cannot be tested, as with one seed."""
    ours = [[r for r in runs.get(x.claim, ()) if x.metric in r.metrics] for x in (row, other)]
    if any(len({record.config_hash for record in each}) > 1 for each in ours):
        return None
    a, b = sample(row, ours[0]), sample(other, ours[1])
    both = sorted(a.keys() & b.keys())
    pairs = [(a[seed], b[seed]) for seed in both if math.isfinite(a[seed] - b[seed])]
    if len(pairs) < 2 or (len(pairs) < len(both) and not drops(row)):
        return None
    paired = paired_difference([x for x, _ in pairs], [y for _, y in pairs])
    if row.statistic != "count":
        return paired
    # differences of 0 and 1 are not normal: few that are equal would have a t of infinity
    won, lost = sum(x > y for x, y in pairs), sum(x < y for x, y in pairs)
    return replace(paired, p_value=sign_test(won, lost))


def direction_text(direction: Direction) -> str:
    """A comparison of two heads, in words."""
    ours = direction.ours
    return (
        f"harmonic less cross-entropy: {direction.reported:+.4g} reported, "
        f"{ours.difference.mean:+.4g} ± {ours.difference.half_width:.2g} ours "
        f"over {ours.seeds} seeds, p = {direction.p_value:.2g} (Holm)"
    )


def counts(found: Iterable[Verdict]) -> dict[str, int]:
    """How many numbers have each verdict, in the order of ``NAMES``."""
    names = [each.name for each in found]
    return {name: names.count(name) for name in NAMES}
