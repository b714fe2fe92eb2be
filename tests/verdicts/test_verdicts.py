"""Verdicts: every rule on constructed records, its statistics against oracles, and the page."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import fake_records
import numpy as np
import pytest
from folders import ROOT
from scipy import stats

from harmonic_lib.book import verdict_page
from harmonic_lib.book.chapters import Chapter, read_toc
from harmonic_lib.book.repository import address
from harmonic_lib.cli import main
from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import Reported, every_reported
from harmonic_lib.paths import data_dir
from harmonic_lib.statistics import (
    confidence_interval,
    holm,
    median_interval,
    order_interval,
    paired_difference,
    prediction_interval,
)
from harmonic_lib.verdicts import report
from harmonic_lib.verdicts.rule import NAMES, Verdict, counts, directions, verdict, verdicts

NEVER = math.nan


def row(value: float = 0.9, **changes: object) -> Reported:
    """A reported mean of five runs."""
    base = Reported(
        claim="task-mlp-harmonic",
        baseline="",
        metric="test_accuracy",
        statistic="mean",
        value=value,
        unit="1",
        runs=5,
        exactness="printed",
        source="a paper",
        protocol="7000 epochs",
        tolerance=0.0,
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def runs(
    values: Sequence[float], claim: str = "task-mlp-harmonic", metric: str = "test_accuracy"
) -> list[Record]:
    """Records of one configuration, a seed a value."""
    return [
        fake_records.record({"claim": claim}, seed, {metric: value}, claim=claim)
        for seed, value in enumerate(values)
    ]


def epochs(values: Sequence[float]) -> list[Record]:
    return runs(values, metric="test_epoch_90")


def epoch_row(value: float, statistic: str, **changes: object) -> Reported:
    changes = {"metric": "test_epoch_90", "unit": "epochs", "runs": 20, **changes}
    return row(value, statistic=statistic, **changes)


# --- paired differences ---------------------------------------------------------------------


def test_the_paired_difference_is_that_of_scipy(rng: np.random.Generator) -> None:
    for seeds in (2, 3, 5, 6, 20):
        a, b = rng.normal(size=(2, seeds)).tolist()
        ours = paired_difference(a, b)
        theirs = stats.ttest_rel(a, b)
        interval = theirs.confidence_interval(0.95)
        assert ours.p_value == pytest.approx(theirs.pvalue)
        assert ours.difference.low == pytest.approx(interval.low)
        assert ours.difference.high == pytest.approx(interval.high)
        assert ours.effect == pytest.approx(theirs.statistic / math.sqrt(seeds))
        assert ours.seeds == seeds
        if seeds < 6:
            assert ours.wilcoxon is None
        else:
            assert ours.wilcoxon == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_the_paired_difference_of_students_sleep_data() -> None:
    # Student 1908, extra hours of sleep by two drugs, ten patients: t = 4.0621, p = 0.002833
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    ours = paired_difference(second, first)
    assert ours.difference.mean == pytest.approx(1.58)
    assert ours.p_value == pytest.approx(0.002833, abs=5e-7)
    assert ours.difference.low == pytest.approx(0.7001142, abs=5e-7)
    assert ours.difference.high == pytest.approx(2.4598858, abs=5e-7)
    assert ours.effect * math.sqrt(10) == pytest.approx(4.0621, abs=5e-5)


def test_six_differences_of_one_sign_have_the_smallest_signed_rank_p() -> None:
    a, b = [1.0, 2.1, 3.3, 4.6, 6.0, 7.5], [0.0] * 6
    assert paired_difference(a, b).wilcoxon == pytest.approx(2 / 2**6)


@pytest.mark.parametrize(("shift", "p", "effect"), [(0.5, 0, math.inf), (0.0, 1, 0.0)])
def test_constant_differences(shift: float, p: float, effect: float) -> None:
    b = [0.25] * 6
    ours = paired_difference([value + shift for value in b], b)
    assert (ours.difference.mean, ours.p_value, ours.effect) == (shift, p, effect)
    assert ours.difference.half_width == 0
    assert paired_difference(b, [value + shift for value in b]).effect == -effect


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [1.0], "equally many values, got 2 and 1"),
        ([1.0], [2.0], "at least two seeds, got 1"),
        ([1.0, 2.0, 3.0], [1.0, NEVER, math.inf], r"pairs \[1, 2\].*not finite"),
    ],
)
def test_pairs_that_are_none_are_refused(a: list[float], b: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_difference(a, b)


def test_holm_on_an_example_by_hand() -> None:
    # 0.01·4, 0.02·3, 0.03·2, 0.04·1, each at least the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"lies in \[0, 1\], got 1.5"):
        holm([0.1, 1.5])


def test_holm_is_the_closed_test_of_bonferroni(rng: np.random.Generator) -> None:
    """An adjusted p is the largest, over all sets with that test, of the set's Bonferroni p."""
    p = rng.uniform(size=5) ** 3
    for i, ours in enumerate(holm(p.tolist())):
        sets = [s for n in range(1, 6) for s in itertools.combinations(range(5), n) if i in s]
        assert ours == pytest.approx(max(min(1, len(s) * p[list(s)].min()) for s in sets))


# --- intervals ------------------------------------------------------------------------------


def test_the_interval_of_a_mean_of_runs_lies_between_one_run_and_all() -> None:
    values = [0.92, 0.93, 0.94, 0.97]
    mean, s = statistics.fmean(values), statistics.stdev(values)
    ours = prediction_interval(values, runs=5)
    assert ours.half_width == pytest.approx(stats.t.ppf(0.975, 3) * s * math.sqrt(1 / 5 + 1 / 4))
    assert ours.mean == mean
    assert prediction_interval(values, runs=math.inf) == confidence_interval(values)


def test_it_holds_the_mean_of_more_runs_as_often_as_it_says(rng: np.random.Generator) -> None:
    draws = rng.normal(size=(2000, 5 + 8))
    inside = [d[5:].mean() in prediction_interval(d[:5].tolist(), runs=8) for d in draws]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("seeds", "more"), [(4, 3), (5, 2), (3, 4)])
@pytest.mark.parametrize("level", [0.5, 0.8])
def test_the_interval_of_an_order_statistic_by_counting_all_orders(
    seeds: int, more: int, level: float
) -> None:
    orders = [set(c) for c in itertools.combinations(range(seeds + more), seeds)]
    for rank in range(1, more + 1):
        low, high = order_interval([*range(1, seeds + 1)], more, rank, level)
        below, above = [], []  # P(Y < X_k), P(Y > X_k), k = 1 ... seeds
        for k in range(seeds):
            pairs = [
                (sorted(set(range(seeds + more)) - ours)[rank - 1], sorted(ours)[k])
                for ours in orders
            ]
            below.append(np.mean([y < x for y, x in pairs]))
            above.append(np.mean([y > x for y, x in pairs]))
        tail = (1 - level) / 2 + 1e-12
        assert low == max((k + 1 for k in range(seeds) if below[k] <= tail), default=-math.inf)
        assert high == min((k + 1 for k in range(seeds) if above[k] <= tail), default=math.inf)


def test_the_interval_of_a_median_holds_for_a_skewed_distribution(
    rng: np.random.Generator,
) -> None:
    for more in (5, 20):
        draws = rng.pareto(0.7, size=(4000, 20 + more))
        ours, medians = np.sort(draws[:, :20]), np.median(draws[:, 20:], axis=1)
        low, high = (int(end) for end in median_interval([*range(20)], more))
        inside = np.mean((ours[:, low] <= medians) & (medians <= ours[:, high]))
        assert 0.94 < inside < 0.999


def test_infinite_values_and_ranks_that_are_none() -> None:
    low, high = median_interval([10.0] * 8 + [math.inf] * 12, 20)
    assert (low, high) == (10, math.inf)
    with pytest.raises(ValueError, match="NaN has no rank"):
        order_interval([1.0, NEVER], 3, 1)
    with pytest.raises(ValueError, match="rank must be in 1 to 3"):
        order_interval([1.0, 2.0], 3, 4)


# --- the rule -------------------------------------------------------------------------------

FIVE = [0.88, 0.89, 0.90, 0.91, 0.92]
STUDENT = prediction_interval(FIVE, runs=5)
NARROW = confidence_interval(FIVE)


@pytest.mark.parametrize(
    ("reported", "ours", "name"),
    [
        (row(), [], "not run"),
        (row(), runs([0.9, 0.9], metric="train_loss"), "not run"),
        (row(exactness="rescaled score", tolerance=None, unit="score 0-10"), [], "not comparable"),
        (row(exactness="re-run of the released code"), [], "not comparable"),
        (row(tolerance=None), runs(FIVE), "not comparable"),
        (row(0.9), runs(FIVE), "reproduced"),
        (row(STUDENT.high - 1e-4), runs(FIVE), "reproduced"),
        (row(STUDENT.high + 1e-4), runs(FIVE), "not reproduced"),
        (row(STUDENT.high + 1e-4, tolerance=2e-4), runs(FIVE), "reproduced"),
        (row(STUDENT.low - 1e-4), runs(FIVE), "not reproduced"),
        # one run scatters more widely than a mean; of how many runs is a mean of 0?
        (row(STUDENT.high + 1e-4, statistic="run", runs=1), runs(FIVE), "reproduced"),
        (row(STUDENT.high - 1e-4, runs=0), runs(FIVE), "not reproduced"),
        (row(NARROW.high - 1e-4, runs=0), runs(FIVE), "reproduced"),
        # per cent
        (row(90.0, unit="%"), runs(FIVE), "reproduced"),
        (row(0.90, unit="%"), runs(FIVE), "not reproduced"),
        # one run of ours
        (row(0.9, tolerance=0.01), runs([0.909]), "reproduced"),
        (row(0.9, tolerance=0.01), runs([0.911]), "not reproduced"),
        # without any scatter
        (row(1.0), runs([1.0] * 3), "reproduced"),
        (row(0.92), runs([0.92] * 3), "reproduced"),
        (row(0.99), runs([1.0] * 3), "not reproduced"),
        # a value that is missing
        (row(), runs([*FIVE, NEVER]), "not comparable"),
        # ranks
        (row(0.50, statistic="median", runs=20), runs(np.linspace(0, 1, 20)), "reproduced"),
        (row(0.95, statistic="median", runs=20), runs(np.linspace(0, 1, 20)), "not reproduced"),
        (row(0.50, statistic="median", runs=0), runs(FIVE), "not comparable"),
        (row(0.50, statistic="median", runs=20), runs(FIVE), "not comparable"),
        (row(0.90, statistic="median", runs=20), runs(FIVE), "not comparable"),
        # six runs set no bound to a median of 20, seven do
        (row(0.90, statistic="median", runs=20), runs([0.9] * 6), "not comparable"),
        (row(0.90, statistic="median", runs=20), runs([0.9] * 7), "reproduced"),
        (row(0.95, statistic="median", runs=20), runs([0.9] * 7), "not reproduced"),
        # nor can one run be held against an extreme of many
        (row(0.90, statistic="min", runs=20), runs([0.9]), "not comparable"),
        (row(0.10, statistic="max", runs=20), runs([0.9]), "not comparable"),
        (row(0.00, statistic="min", runs=20), runs(np.linspace(0, 1, 20)), "reproduced"),
        (row(-0.5, statistic="min", runs=20), runs(np.linspace(0, 1, 20)), "not comparable"),
        (row(0.50, statistic="min", runs=20), runs(np.linspace(0, 1, 20)), "not reproduced"),
        (row(1.00, statistic="max", runs=20), runs(np.linspace(0, 1, 20)), "reproduced"),
        (row(0.50, statistic="max", runs=20), runs(np.linspace(0, 1, 20)), "not reproduced"),
        # epochs, some never reached
        (epoch_row(40, "median"), epochs([*range(30, 50), NEVER]), "not comparable"),
        (epoch_row(40, "mean"), epochs([*range(30, 50), NEVER]), "not comparable"),
        (epoch_row(40, "mean", protocol="x; seeds that never reach are dropped"),
         epochs([*range(30, 50), NEVER]), "reproduced"),
        (epoch_row(40, "mean", protocol="x; seeds that never reach are dropped"),
         epochs([NEVER] * 4), "not reproduced"),
        # counts
        (epoch_row(18, "count", unit="seeds"), epochs([40.0] * 20), "reproduced"),
        (epoch_row(8, "count", unit="seeds"), epochs([40.0] * 20), "not reproduced"),
        (epoch_row(8, "count", unit="seeds"), epochs([40.0] * 7 + [NEVER] * 13), "reproduced"),
        (row(14, statistic="count", runs=20), runs([1.0] * 13 + [0.0] * 7), "reproduced"),
        (row(14, statistic="count", runs=20), runs([0.0] * 20), "not reproduced"),
    ],
)  # fmt: skip
def test_the_rule(reported: Reported, ours: list[Record], name: str) -> None:
    (found,) = verdicts([reported], ours)
    assert found.name == name
    assert found.row is reported
    assert found.reason
    assert len(found.records) == (0 if "train_loss" in str(ours) else len(ours))


def test_runs_of_two_configurations_are_not_mixed() -> None:
    other = [fake_records.changed(record, config={"lr": 1.0}) for record in runs(FIVE)]
    assert verdict(row(), [*runs(FIVE), *other]).name == "not comparable"


def test_ours_is_the_same_statistic_in_the_same_unit() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.9]
    expected = {"run": 38, "mean": 38, "median": 30, "min": 10, "max": 90}
    for statistic, number in expected.items():
        found = verdict(row(25, statistic=statistic, unit="%"), runs(values))
        assert found.ours == pytest.approx(number)
    dropped = verdict(epoch_row(40, "mean", protocol="dropped"), epochs([30.0, 50.0, NEVER]))
    assert dropped.ours == 40
    assert (dropped.seeds, len(dropped.records)) == (2, 3)
    assert "1 of our 3 seeds never got there and are left out" in dropped.reason


def test_a_count_is_held_against_ours_by_fishers_test() -> None:
    for theirs in range(21):
        found = verdict(row(theirs, statistic="count", runs=20), runs([1.0] * 15 + [0.0] * 5))
        # the sum over all tables that are no likelier than this one
        likelihoods = stats.hypergeom(40, 15 + theirs, 20).pmf(np.arange(21))
        p = likelihoods[likelihoods <= likelihoods[theirs] * (1 + 1e-9)].sum()
        assert (found.name == "reproduced") == (p >= 0.05)


# --- the direction --------------------------------------------------------------------------

HARMONIC, BASELINE = "task-mlp-harmonic", "task-mlp-cross-entropy"


def pair(harmonic: float, baseline: float, **changes: object) -> list[Reported]:
    return [row(harmonic, baseline=BASELINE, **changes), row(baseline, claim=BASELINE, **changes)]


def both(harmonic: Sequence[float], baseline: Sequence[float]) -> list[Record]:
    return [*runs(harmonic), *runs(baseline, claim=BASELINE)]


ABOVE = both([0.80, 0.81, 0.82, 0.81], [0.70, 0.72, 0.71, 0.71])


@pytest.mark.parametrize(
    ("rows", "ours", "name"),
    [
        (pair(0.99, 0.20), ABOVE, "same direction"),
        (pair(0.20, 0.99), ABOVE, "not reproduced"),
        (pair(0.99, 0.98, tolerance=0.004), ABOVE, "same direction"),
        (pair(0.99, 0.98, tolerance=0.006), ABOVE, "not reproduced"),  # rounding could do it
        (pair(0.99, 0.99), ABOVE, "not reproduced"),
        (pair(59.9, 52.0), both([0.8, 0.1], [0.1, 0.8]), "not reproduced"),  # chance
        (pair(5.99, 5.20), both([0.8], [0.1]), "not reproduced"),  # one seed
        ([row(0.99, baseline=BASELINE)], ABOVE, "not reproduced"),  # no number of the baseline
        ([row(0.99), row(0.20, claim=BASELINE)], ABOVE, "not reproduced"),  # no baseline named
    ],
)
def test_the_direction(rows: list[Reported], ours: list[Record], name: str) -> None:
    found = verdicts(rows, ours)
    assert {each.name for each in found} == {name}


@pytest.mark.parametrize(("seeds", "name"), [(5, "not reproduced"), (6, "same direction")])
def test_counts_are_compared_by_the_sign_test(seeds: int, name: str) -> None:
    rows = pair(10, 2, statistic="count", runs=99)
    found, _ = verdicts(rows, both([1.0] * seeds, [0.0] * seeds))
    assert found.name == name
    assert f"p = {2 * 0.5**seeds:.2g} (Holm)" in found.reason


def test_holm_corrects_over_the_heads_of_one_metric_and_statistic() -> None:
    """A difference that is clear by itself is not, among others that are chance."""
    tasks = [f"task-{i}-harmonic" for i in range(8)]
    baselines = [f"task-{i}-cross-entropy" for i in range(8)]
    rows = [
        each
        for task, baseline in zip(tasks, baselines, strict=True)
        for each in (row(5.99, claim=task, baseline=baseline), row(5.2, claim=baseline))
    ]
    rng = np.random.default_rng(0)
    ours = []
    for task, baseline in zip(tasks, baselines, strict=True):
        ours += runs(rng.normal(size=4), task) + runs(rng.normal(size=4), baseline)
    clear = [0.80, 0.81, 0.85, 0.84], [0.70, 0.75, 0.71, 0.77]
    ours = [*runs(clear[0], tasks[0]), *runs(clear[1], baselines[0]), *ours[8:]]
    alone = paired_difference(*clear).p_value
    assert 0.05 / 8 < alone < 0.05
    assert [each.name for each in verdicts(rows[:2], ours)] == ["same direction"] * 2
    assert [each.name for each in verdicts(rows, ours)][:2] == ["not reproduced"] * 2
    by_claim = {claim: [r for r in ours if r.claim == claim] for claim in {r.claim for r in ours}}
    found = directions(rows, by_claim)
    assert found[rows[0]].p_value == pytest.approx(8 * alone)
    other = [dataclasses.replace(each, statistic="median") for each in rows[:2]]
    assert directions([*rows, *other], by_claim)[other[0]].p_value == pytest.approx(alone)


def test_seeds_are_paired_by_their_number() -> None:
    """Ours differ by a constant per seed, in another order and with seeds of one head alone."""
    base = {3: 0.1, 5: 0.9, 7: 0.4, 9: 0.6}
    numbers = [*base, 11]
    harmonic = runs([v + 0.05 for v in base.values()])
    harmonic = [fake_records.changed(record, seed=numbers[record.seed]) for record in harmonic]
    baseline = runs([*base.values(), 0.0], claim=BASELINE)
    baseline = [fake_records.changed(record, seed=numbers[record.seed]) for record in baseline]
    found = verdicts(pair(5.9, 5.2), [*harmonic[::-1], *baseline])
    assert [each.name for each in found] == ["same direction"] * 2
    assert "+0.05 ± " in found[0].reason
    assert "over 4 seeds" in found[0].reason


def test_seeds_that_never_got_there_have_no_direction_unless_they_are_dropped() -> None:
    ours = [
        *epochs([10.0, 11.0, 12.0, NEVER]),
        *(fake_records.changed(r, claim=BASELINE) for r in epochs([50.0, 52.0, 51.0, 50.0])),
    ]
    harmonic = epoch_row(900, "mean", baseline=BASELINE)
    rows = [harmonic, epoch_row(990, "mean", claim=BASELINE)]
    assert {each.name for each in verdicts(rows, ours)} == {"not comparable", "not reproduced"}
    rows = [dataclasses.replace(each, protocol="never reached: dropped") for each in rows]
    assert {each.name for each in verdicts(rows, ours)} == {"same direction"}


def test_counts_have_a_direction_in_shares() -> None:
    ours = [
        *epochs([10.0] * 12),
        *(fake_records.changed(r, claim=BASELINE) for r in epochs([NEVER] * 11 + [10.0])),
    ]
    theirs = {"unit": "seeds", "runs": 200}
    rows = [
        epoch_row(100, "count", baseline=BASELINE, **theirs),
        epoch_row(90, "count", claim=BASELINE, **theirs),
    ]
    found = verdicts(rows, ours)
    assert [each.name for each in found] == ["same direction"] * 2
    assert "+0.05 reported, +0.9167 ± " in found[0].reason


def test_a_baseline_of_two_heads_has_the_direction_of_neither() -> None:
    second = "task-mlp-cosine"
    rows = [*pair(0.99, 0.20), row(0.99, claim=second, baseline=BASELINE)]
    found = verdicts(rows, [*ABOVE, *runs([0.80, 0.81, 0.82, 0.81], second)])
    assert [each.name for each in found] == ["same direction", "not reproduced", "same direction"]


# --- real data, and what is made of them ----------------------------------------------------


@pytest.fixture(scope="module")
def found() -> dict[str, list[Verdict]]:
    return report.compared()


def test_every_reported_number_has_exactly_one_verdict(found: dict[str, list[Verdict]]) -> None:
    rows = [each for several in every_reported().values() for each in several]
    assert [each.row for several in found.values() for each in several] == rows
    total = [0] * len(NAMES)
    for several in found.values():
        assert sum(counts(several).values()) == len(several)
        total = [a + b for a, b in zip(total, counts(several).values(), strict=True)]
    head, lines = report.count_table(found)
    assert head[1:-1] == list(NAMES)
    assert lines[-1] == ["all", *map(str, total), str(len(rows))]


def test_the_pixel_classifiers_come_out_as_their_chapter_says(
    found: dict[str, list[Verdict]],
) -> None:
    names = {each.row.claim: each.name for each in found["pixel_classifiers"]}
    assert names["mnist-pixel-cross-entropy"] == "reproduced"
    assert names["mnist-pixel-euclidean"] == "reproduced"
    assert names["mnist-pixel-manhattan"] == "reproduced"
    assert names["mnist-pixel-cosine"] == "not reproduced"


def test_the_report_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--experiment", "pixel_classifiers"]) == 0
    said = capsys.readouterr().out
    rows = every_reported()["pixel_classifiers"]
    assert len([line for line in said.splitlines() if "-pixel-" in line]) == len(rows)
    assert re.search(r"mnist-pixel-cosine +test_accuracy, one run +92.65 % +92.18 \(3\)", said)
    assert main(["report", "--experiment", "pixel_classifiers", "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "| mnist-pixel-cosine | test_accuracy, one run | 92.65 % | 92.18 (3) |" in said
    assert main(["report", "--experiment", "pixels"]) == 1
    assert "did you mean 'pixel_classifiers'" in capsys.readouterr().err
    assert main(["report", "--format", "html"]) == 1
    assert "unknown format 'html'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (None, ""),
        ((1.5, 2.25), "1.5 to 2.25"),
        ((-math.inf, 3.0), "up to 3"),
        ((-2.0, math.inf), "from −2"),
        ((-math.inf, math.inf), "no bounds"),
    ],
)
def test_intervals_are_told(interval: tuple[float, float] | None, said: str) -> None:
    assert report.interval_text(Verdict(row(), "reproduced", "", 1.0, interval)) == said


@pytest.fixture(scope="module")
def text() -> str:
    source = (ROOT / "chapters" / f"{verdict_page.PAGE}.md").read_text(encoding="utf-8")
    return verdict_page.verdict_page(source, ROOT, read_toc(ROOT))


def test_the_page_has_every_number_once_with_its_links(
    text: str, found: dict[str, list[Verdict]]
) -> None:
    ids = re.findall(r'<span id="([^"]+)">', text)
    assert len(set(ids)) == len(ids)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    by_id = {i: line for line in lines for i in re.findall(r'<span id="([^"]+)">', line)}
    shown = {i for i in ids if not i.startswith("config-")}
    rows = [each.row for several in found.values() for each in several]
    assert shown == {f"{r.claim}-{r.metric}-{r.statistic}" for r in rows}
    chapters = {chapter.name for chapter in read_toc(ROOT)}
    for experiment, several in found.items():
        assert f"/data/reported/{experiment}.csv)" in text
        for each in several:
            line = by_id[f"{each.row.claim}-{each.row.metric}-{each.row.statistic}"]
            assert f">{each.name}</span>" in line
            assert f"{each.row.value:.10g}".replace("-", "−") in line
            linked = re.match(rf"\| {{doc}}`{re.escape(each.row.claim)} </chapters/(.+?)>`", line)
            if experiment == "pixel_classifiers":
                assert linked is not None
                assert linked[1] in chapters
            if each.records:
                (digest,) = {record.config_hash for record in each.records}
                assert f'<a href="#config-{digest}">' in line
                assert f"config-{digest}" in ids
                assert all(badge in line for badge in report.badges(each))


def test_links_to_records_lead_to_their_lines(text: str) -> None:
    base = re.escape(f"{address(ROOT)}/blob/main/data/results/")
    pattern = rf'#config-(\w+)">.*?\({base}(\w+)\.jsonl#L(\d+)(?:-L(\d+))?\)'
    links = re.findall(pattern, text)
    assert len(links) >= 4
    for digest, name, first, last in links:
        lines = (data_dir() / "results" / f"{name}.jsonl").read_text().splitlines()
        for line in lines[int(first) - 1 : int(last or first)]:
            assert json.loads(line)["config_hash"] == digest


def test_a_stale_record_shows_its_badge(monkeypatch: pytest.MonkeyPatch) -> None:
    book = read_toc(ROOT)
    monkeypatch.setattr(report, "badge", lambda record: "made by <earlier> code")
    stale = verdict_page.verdict_page(verdict_page.PLACE, ROOT, book)
    assert '<span class="verdict-badge">made by &lt;earlier&gt; code</span>' in stale
    monkeypatch.setattr(report, "badge", lambda record: "")
    assert "verdict-badge" not in verdict_page.verdict_page(verdict_page.PLACE, ROOT, book)


def test_a_claim_leads_to_the_chapter_that_reads_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('Repository = "https://github.com/a/b"\n')
    book = []
    for name in ("one/summary", "one/genealogy", "one/other"):
        path = tmp_path / f"{name.split('/')[1]}.ipynb"
        data = [] if name == "one/other" else ["reported/algorithmic.csv"]
        path.write_text(
            json.dumps(
                {"cells": [], "metadata": {"harmonic": {"data": data}}, "nbformat": 4,
                 "nbformat_minor": 5}
            )
        )  # fmt: skip
        book.append(Chapter(name, path))
    links = verdict_page.Links(tmp_path, book, {})
    assert links.chapter("algorithmic", "genealogy-mlp-harmonic") == "one/genealogy"
    assert links.chapter("algorithmic", "equivalence-mlp-harmonic") == "one/summary"
    assert links.chapter("gpt2", "gpt2-harmonic") is None
    assert links.claim("gpt2", "gpt2-harmonic") == "gpt2-harmonic"


def test_each_of_the_five_tasks_has_its_own_chapter() -> None:
    links = verdict_page.Links(ROOT, read_toc(ROOT), {})
    chapters = {
        "parallelogram": "parallelogram",
        "modular-addition": "modular_addition",
        "equivalence": "equivalence",
        "genealogy": "genealogy",
        "permutation": "permutations",
    }
    for task, chapter in chapters.items():
        assert links.chapter("algorithmic", f"{task}-mlp-harmonic") == f"algorithmic/{chapter}"


def test_a_page_without_its_place_is_refused() -> None:
    with pytest.raises(ValueError, match="has no line"):
        verdict_page.verdict_page("# Verdicts", ROOT, [])


def test_the_page_is_in_the_book() -> None:
    assert verdict_page.PAGE in {chapter.name for chapter in read_toc(ROOT)}
