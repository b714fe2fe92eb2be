"""Equivalence: what is proved of simplexes, against closed forms; measures; runs and tables."""

from __future__ import annotations

import math
from dataclasses import asdict

import fake_records
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.seeds import NOT_YET
from harmonic_lib.chapters.algorithmic.equivalence import figures, geometry, live, proofs, results
from harmonic_lib.data.tasks import task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.measure.scatter import within_over_between, within_variance_share


@pytest.fixture(scope="module")
def pair() -> dict[str, algorithmic.Outcome]:
    """The two live runs at smoke."""
    return live.pair("smoke")


def of_class(centres: Tensor, scatter: float = 0.0) -> Tensor:
    """40 numbers whose class means are these centres."""
    rows, _ = proofs.clusters(centres, 8, torch.full((centres.shape[1],), scatter))
    return rows.view(5, 8, -1).transpose(0, 1).flatten(0, 1)


def record(config: algorithmic.Config, table: Tensor, seed: int = 0) -> Record:
    shares = explained_variance(table)
    metrics = {f"ev_{k}": float(shares[k - 1]) for k in range(1, 11)}
    metrics |= {f"ev_{k}_all_tokens": 0.5 for k in range(1, 11)}
    metrics |= {"within_variance_share": within_variance_share(table, geometry.classes())}
    metrics |= {"test_accuracy": 1.0}
    return fake_records.record(asdict(config), seed, metrics, experiment="algorithmic")


# --- propositions -----------------------------------------------------------------------------


def test_tight_classes_on_a_simplex_hold_equal_shares_and_on_a_ladder_they_do_not() -> None:
    assert proofs.tight_violation() < 1e-12
    assert proofs.tight_violation(corners=proofs.ladder) > 0.4
    assert proofs.tight_violation(lambda table: explained_variance(table).square()) > 0.1


def test_scattered_classes_stay_in_their_band() -> None:
    assert proofs.band_violation() < 1e-9
    assert proofs.band_violation(corners=proofs.ladder) > 0.1

    def narrow(within: float, j: int, k: int) -> tuple[float, float]:
        low, high = proofs.bounds(within, j, k)
        return low, (low + high) / 2

    assert proofs.band_violation(narrow) > 0.01


def test_even_scatter_gives_the_share_of_the_proposition() -> None:
    k, dim, size = 5, 16, 4000
    table, labels = proofs.clusters(proofs.simplex(k, dim), size, torch.full((dim,), 0.2))
    within = within_variance_share(table, labels)
    wanted = [(1 - within) * j / (k - 1) + within * j / dim for j in range(1, k)]
    assert explained_variance(table)[: k - 1].tolist() == pytest.approx(wanted, abs=5e-3)


def test_a_simplex_is_the_cheapest_way_to_keep_apart() -> None:
    assert proofs.spread_violation() < 1e-9
    assert proofs.spread(proofs.simplex(5)) == pytest.approx(0.4)
    assert proofs.spread(proofs.ladder(5)) == pytest.approx(2.0)
    assert proofs.spread_violation(corners=proofs.ladder) > 1
    assert proofs.spread_violation(line=proofs.simplex) > 1


def test_labels_without_meaning_give_their_share_over_all_labellings() -> None:
    assert proofs.chance_violation() < 1e-12
    assert proofs.chance_violation(lambda n, k: 1.0) > 0.1
    assert proofs.chance_violation(lambda n, k: (n - k) / n) > 0.05


def test_the_nearest_answer_has_at_least_its_bound() -> None:
    assert proofs.decision_violation() < 1e-12

    def others_left_out(d: float, s: float, r: float, k: int, n: float) -> float:
        return float(1 / (1 + (d / (s - d)) ** n))

    assert proofs.decision_violation(others_left_out) > 0.1
    assert proofs.least_probability(0.1, 1.1, 2.1, 42, 2.0) == pytest.approx(1 / 1.11)


def test_a_simplex_needs_room() -> None:
    with pytest.raises(ValueError, match="D >= 5"):
        proofs.simplex(5, 4)


def test_corners_are_equally_far_from_each_other() -> None:
    gaps = torch.pdist(proofs.simplex(5, 16, 3))
    torch.testing.assert_close(gaps, torch.full_like(gaps, math.sqrt(2)))
    steps = proofs.ladder(5).diff(dim=0).norm(dim=1)
    torch.testing.assert_close(steps, torch.full_like(steps, math.sqrt(2)))


# --- measures ---------------------------------------------------------------------------------


def test_gaps_of_a_simplex_are_even_and_those_of_a_ladder_are_not() -> None:
    assert geometry.unevenness(of_class(proofs.simplex(5), 0.1)) == pytest.approx(1)
    assert geometry.unevenness(of_class(proofs.ladder(5), 0.1)) == pytest.approx(4)


def test_at_one_gap_and_scatter_the_ladder_has_the_lower_share_within() -> None:
    simplex, ladder = (of_class(make(5), 0.2) for make in (proofs.simplex, proofs.ladder))
    gaps = [geometry.gap_over_scatter(table) for table in (simplex, ladder)]
    assert gaps[0] == pytest.approx(gaps[1])
    shares = [within_variance_share(table, geometry.classes()) for table in (simplex, ladder)]
    scatter = 2 / gaps[0] ** 2  # the edge is sqrt(2)
    assert shares == pytest.approx([scatter / (scatter + 0.8), scatter / (scatter + 4)])


def test_the_cluster_score_by_hand_and_put_right() -> None:
    (rows,) = geometry.noise(1)
    away = cdist(rows.double().numpy(), rows.double().numpy())
    pairs = [(i, j) for i in range(42) for j in range(42)]
    between = [away[i, j] for i, j in pairs if i % 5 != j % 5]
    mean = sum(between) / len(between)
    within = [away[i, j] for i, j in pairs if i % 5 == j % 5 and away[i, j] < mean]
    labels = torch.arange(42) % 5
    assert geometry.cluster_score(rows, labels) == pytest.approx(sum(within) / len(within) / mean)
    right = geometry.cluster_score(rows, labels, itself=False, drop=False)
    assert right == pytest.approx(within_over_between(rows, labels))


def test_the_released_score_of_noise_is_far_from_one() -> None:
    found = {name: float(each.mean()) for name, each in geometry.scores(geometry.noise(60)).items()}
    released, numbers, kept, right = found.values()
    assert released < 0.75
    assert numbers < kept < right
    assert right == pytest.approx(1, abs=0.02)


def test_places_around_the_axis_keep_the_distances_to_both_answers(
    pair: dict[str, algorithmic.Outcome],
) -> None:
    facts = task("equivalence")
    for outcome in pair.values():
        (found, *_), member = live.decisions(outcome), outcome.members[0]
        table = algorithmic.embedding_of(member)
        x = member.features(facts.x).detach()  # type: ignore[operator]
        same = facts.y == live.SAME
        for token, end in ((live.SAME, 0.0), (live.DIFFERENT, 1.0)):
            for points, places in (
                (x[same], found.same),
                (x[~same], found.different),
                (table[:40], found.numbers),
            ):
                wanted = (points - table[token]).norm(dim=1).double()
                got = found.apart * live.reach(places, end)
                torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
        shares = member(facts.x).softmax(-1)[:, :40].sum(1)
        assert found.elsewhere == pytest.approx(float(shares.detach().median()), rel=1e-4)


# --- runs -------------------------------------------------------------------------------------


def test_balanced_accuracy_is_that_of_the_members(pair: dict[str, algorithmic.Outcome]) -> None:
    facts = task("equivalence")
    for outcome in pair.values():
        seeds = [each.seed for each in outcome.measurements]
        assert seeds == list(live.SEEDS["smoke"])
        splits = algorithmic.splits(outcome.config, facts, seeds)
        last = live.balanced(outcome)[-1]
        for s, (member, split) in enumerate(zip(outcome.members, splits, strict=True)):
            y, guess = facts.y[split.test], member(facts.x[split.test]).argmax(-1)
            wanted = balanced_accuracy_score(y, guess)
            assert float(last[s]) == pytest.approx(wanted, abs=1e-5)
            recall = (guess[y == live.SAME] == live.SAME).float().mean()
            assert float(outcome.history["same_accuracy"][-1, s]) == pytest.approx(float(recall))


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="profile"):
        live.pair("slow")


# --- tables -----------------------------------------------------------------------------------


def test_without_records_everything_says_so(pair: dict[str, algorithmic.Outcome]) -> None:
    assert results.rows_table([]).count(NOT_YET) == 4
    assert results.simplex_table([]).count(NOT_YET) == 4
    (sentence,) = results.told([])
    assert NOT_YET in sentence
    assert "80.5 | 74.3 | – | 92.6" in results.rows_table([])
    found = results.curves([], pair)
    assert next(iter(found)) == "cross-entropy (2 of this page)"
    ideal = found["a regular simplex without scatter"][0].tolist()
    assert ideal == pytest.approx([0.25, 0.5, 0.75] + [1] * 7)


def test_records_are_held_against_the_simplex(pair: dict[str, algorithmic.Outcome]) -> None:
    configs = results.protocols()
    plain = configs["like for like, cross-entropy"]
    harmonic = configs["like for like, harmonic, n = 2"]
    found = [record(plain, of_class(proofs.ladder(5, seed=s), 0.1), s) for s in range(3)]
    found += [record(harmonic, of_class(proofs.simplex(5, seed=s), 0.1), s) for s in range(2)]
    assert [results.may_be_regular(each) for each in found] == [False] * 3 + [True] * 2
    lines = results.simplex_table(found).splitlines()
    assert [line.split(" | ")[-1] for line in lines[-2:]] == ["0 |", "2 |"]
    lower, higher, regular = results.told(found)
    assert "EV₂ is **lower**" in lower
    assert "is **higher**" in higher
    assert "2 of 2 harmonic seeds and for 0 of 3" in regular
    assert next(iter(results.curves(found, pair))) == "cross-entropy (3 recorded)"


def test_live_tables_have_a_row_a_head(pair: dict[str, algorithmic.Outcome]) -> None:
    places = {name: live.decisions(outcome) for name, outcome in pair.items()}
    assert len(live.live_table(pair).splitlines()) == 4
    assert len(live.decision_table(places).splitlines()) == 4
    assert len(live.score_table(pair, 5).splitlines()) == 6


# --- figures ----------------------------------------------------------------------------------


def test_figures_show_what_they_are_given(pair: dict[str, algorithmic.Outcome]) -> None:
    curves = {
        name: (run.history["test_accuracy"], run.history["same_accuracy"], live.balanced(run))
        for name, run in pair.items()
    }
    left, right = figures.accuracies(curves, 0.8).axes
    assert len(left.lines) == len(right.lines) == 3 * 2 + 1
    assert left.lines[-1].get_ydata() == [80, 80]
    places = {name: live.decisions(run)[0] for name, run in pair.items()}
    axes = figures.decision(places).axes[0]
    counts = [np.size(line.get_xdata()) for line in axes.lines[:3]]
    assert counts == [40, 320, 1280]
    plt.close("all")


def test_distances_stand_in_blocks_of_classes_in_order() -> None:
    figure = figures.distances({"a ladder": of_class(proofs.ladder(5))}, geometry.classes())
    axes = figure.axes[0]
    order = [label.get_text() for label in axes.get_xticklabels()]
    assert order in (list("01234"), list("43210"))
    shown = axes.images[0].get_array()
    assert shown is not None
    assert shown[0, 1] == pytest.approx(0, abs=1e-6)
    assert shown[0, 39] == pytest.approx(4 * shown[0, 8], rel=1e-6)
    plt.close("all")
