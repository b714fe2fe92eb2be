"""Cosets of S_4: propositions against broken ones, scikit-learn, and what a page is told."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import asdict

import fake_records
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.metrics import silhouette_score
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import seeds
from harmonic_lib.chapters.algorithmic.permutations import (
    chance,
    figures,
    groups,
    live,
    proofs,
    results,
)
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.measure.cosets import (
    PERMUTATIONS,
    PLACE,
    best_coset_partition,
    cosets,
    partitions,
    subgroups,
)
from harmonic_lib.measure.embedding import projection
from harmonic_lib.measure.symmetric_group import ALTERNATING, KLEIN, SIGN, part_shares, parts


@pytest.fixture
def table() -> Tensor:
    return chance.random_tables(1, seed=1)[0]


# --- propositions -----------------------------------------------------------------------------


def test_left_and_right_coincide_for_the_normal_ones_alone() -> None:
    assert proofs.normal_violation() == 0
    assert [len(group) for group in subgroups() if proofs.is_normal(group)] == [1, 4, 12, 24]
    assert proofs.normal_violation(lambda group: 24 % len(group) ** 2 == 0) > 0
    assert proofs.normal_violation(lambda group: True) == 26
    assert len({tuple(labels.tolist()) for labels in partitions().values()}) == 54


def test_products_of_cosets() -> None:
    assert proofs.one_sided_violation("left", "first") == 0
    assert proofs.one_sided_violation("right", "second") == 0
    assert proofs.one_sided_violation("left", "second") > 0
    assert proofs.one_sided_violation("right", "first") > 0
    assert proofs.product_violation() == 0
    assert proofs.product_violation(lambda group, h: 1) > 0
    assert proofs.product_violation(lambda group, h: len(group)) > 0
    whole = proofs.answers(KLEIN, "left", *[cosets(KLEIN, "left")] * 2)
    assert whole.tolist() == [[1] * 6] * 6  # the quotient is a table of 6 by 6


def test_the_parts_are_all_functions_and_are_kept_by_all_moves() -> None:
    assert proofs.parts_violation() < 1e-12
    assert [basis.shape[1] for basis in parts().values()] == [1, 4, 9, 9]
    broken = dict(parts())
    broken["pairings"], broken["places"] = broken["places"][:, :4], broken["pairings"]
    assert proofs.parts_violation(broken) == math.inf  # a dimension is missing
    random = torch.linalg.qr(torch.randn(24, 24, dtype=torch.float64)).Q[:, :23]
    assert proofs.parts_violation(dict(enumerate(random.split([1, 4, 9, 9], 1)))) > 0.1  # type: ignore[arg-type]


def test_the_sign_is_the_determinant() -> None:
    for place, g in enumerate(PERMUTATIONS):
        matrix = torch.zeros(4, 4)
        matrix[list(g), range(4)] = 1
        assert float(torch.linalg.det(matrix)) == pytest.approx(float(SIGN[place]))


def test_shares_of_parts_are_what_normal_cosets_explain(table: Tensor) -> None:
    assert proofs.cosets_violation(table) < 1e-12
    swaps = next(group for group in subgroups() if groups.name_of(group) == "two swaps")
    assert proofs.cosets_violation(table, (ALTERNATING, swaps)) > 1e-3
    assert sum(part_shares(table).values()) == pytest.approx(1)
    mean = torch.tensor(
        [list(part_shares(t).values()) for t in chance.random_tables(300, seed=0)]
    ).mean(0)
    torch.testing.assert_close(mean, torch.tensor([1, 4, 9, 9]) / 23, atol=0.02, rtol=0)
    assert all(math.isnan(share) for share in part_shares(torch.ones(24, 3)).values())
    with pytest.raises(ValueError, match="24"):
        part_shares(table[:20])


def test_the_rotations_are_a_crystal_that_is_not_flat(table: Tensor) -> None:
    assert proofs.crystal_violation() < 1e-12
    assert proofs.crystal_violation(table) > 0.1
    squeezed = proofs.crystal() * torch.tensor([2.0] * 3 + [1.0] * 6)
    assert proofs.crystal_violation(squeezed) > 0.1
    turns = proofs.turns()
    torch.testing.assert_close(turns[proofs.PRODUCTS], turns.unsqueeze(1) @ turns)
    assert len({tuple(turn.round().int().flatten().tolist()) for turn in turns}) == 24


def test_moves_from_one_side_alone() -> None:
    orbit = proofs.turns() @ torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    assert proofs.move_violation(orbit, "left") < 1e-12
    assert proofs.move_violation(orbit, "right") > 0.1


def test_a_group_of_the_plane_has_an_element_of_half_its_order() -> None:
    assert proofs.longest_order() == 4
    #: the 24 symmetries of a 12-gon: rotation r is r, the reflections are 12 + r
    dihedral = [
        [
            (a % 12 + (b % 12) * (1 if a < 12 else -1)) % 12 + 12 * ((a < 12) != (b < 12))
            for b in range(24)
        ]
        for a in range(24)
    ]
    assert proofs.longest_order(dihedral) == 12


# --- subgroups and chance ---------------------------------------------------------------------


def test_the_table_of_subgroups() -> None:
    lines = [line.split("|")[1:-1] for line in groups.subgroup_table().splitlines()[2:]]
    assert len(lines) == 11  # conjugacy classes
    assert sum(int(line[2]) for line in lines) == 30
    assert sum(int(line[5]) for line in lines) == 54
    for line in lines:
        assert int(line[1]) * int(line[3]) == 24


def test_seven_elements_are_no_subgroup() -> None:
    whole = next(group for group in subgroups() if len(group) == 8)
    assert groups.overlapping(whole) == (3, 1)
    assert groups.overlapping([g for g in whole if g != PLACE[2, 3, 0, 1]]) == (24, 7)


def test_silhouettes_are_those_of_scikit_learn() -> None:
    tables = chance.random_tables(2, seed=3)
    found = chance.silhouettes(tables)
    for table, scores in zip(tables, found, strict=True):
        plane = projection(table).numpy()
        for labels, score in zip(partitions().values(), scores, strict=True):
            assert float(score) == pytest.approx(silhouette_score(plane, labels.numpy()))
    labels, score = chance.best_by_eye(tables[0])
    assert score == float(found[0].max())
    assert labels.tolist() == list(partitions().values())[int(found[0].argmax())].tolist()


def test_a_choice_that_is_not_paid_for_is_not_honest(table: Tensor) -> None:
    found = chance.chance("smoke", seed=0)
    assert (found.alone <= 0.05).double().mean() > 0.4
    assert (found.paid <= 0.05).double().mean() < 0.3
    assert (found.best > found.one).all()
    best = best_coset_partition(table, seed=0)
    labels = partitions()[best.subgroup, best.side]
    assert chance.p_alone(table, labels, seed=0) < best.p_value
    exact = torch.nn.functional.one_hot(labels).double()
    assert chance.p_alone(exact, labels, seed=0) == 1 / (1 + chance.DRAWS)
    with pytest.raises(ValueError, match="profile"):
        chance.chance("quik", 0)


# --- runs -------------------------------------------------------------------------------------


def test_live_runs_are_asked_for_cosets() -> None:
    outcomes = live.live("smoke")
    runs = {name: live.known(outcome) for name, outcome in outcomes.items()}
    for name, members in runs.items():
        for one, record in zip(members, outcomes[name].measurements, strict=True):
            assert one.right == pytest.approx(record.metrics["test_accuracy"])
            assert one.right <= one.coset["V4"] <= one.coset["A4"] <= 1
            assert one.best.p_value == record.metrics["coset_p_value"]
    assert len(live.known_table(runs).splitlines()) == 2 + 6
    said = live.stalled(runs)
    assert said.startswith("With n = 4 and seed 684, ")
    assert "n = 2 and seed 105" in said
    assert "coset of V4" in said
    assert live.halfway(runs).startswith("No cross-entropy seed of this page knows cosets")
    knows = dataclasses.replace(runs["cross-entropy"][0], coset={"A4": 0.9, "V4": 0.8})
    said = live.halfway({"cross-entropy": [knows]})
    assert "can know cosets, too: with seed 684, 80 % of the answers" in said
    assert len(live.panels(outcomes, runs)) == 6
    with pytest.raises(ValueError, match="profile"):
        live.live("quik")


def of(
    exponent: float | None, seed: int, accuracy: float, within: float, sooner: float = 0
) -> Record:
    """A record of a head that fits at epoch 100 and generalises n epochs later, if it does."""
    distance = None if exponent is None else "euclidean"
    config = algo.like_for_like(groups.TASK, distance, exponent)
    metrics = {f"ev_{k}": min(1.0, k / 10 * (2 / (exponent or 4))) for k in range(1, 11)} | {
        "test_accuracy": accuracy,
        "train_epoch_90": 100.0,
        "test_epoch_90": 100 + (exponent or 0) - sooner * (exponent or 0)
        if accuracy > 0.9
        else math.nan,
        "coset_order": 4.0,
        "coset_within_variance_share": within,
        "coset_p_value": 0.001,
    }
    return fake_records.record(asdict(config), seed, metrics, experiment="algorithmic")


def test_records_tell_what_they_hold_and_nothing_else() -> None:
    assert results.rungs([]) == []
    assert results.lessons([])[0][1] == seeds.NOT_YET
    assert seeds.NOT_YET in results.gain([]) + results.flat_and_wrong([])
    assert results.coset_table([]).count(seeds.NOT_YET) == 5
    good = [of(None, seed, 0.1, 0.8) for seed in range(3)]
    good += [of(2.0, seed, 0.2 + 0.4 * seed, 0.1 + 0.2 * seed) for seed in range(3)]
    good += [of(n, seed, 1.0, 0.4) for n in (4.0, 8.0) for seed in range(3)]
    assert [verdict for _, verdict in results.lessons(good)] == ["holds"] * 4
    assert [rung.exponent for rung in results.rungs(good)] == [2.0, 4.0, 8.0, None]
    assert "it is larger: our medians are 20 % with n = 2 and 10 %" in results.gain(good)
    said = results.flat_and_wrong(good)
    assert "Of our 9 recorded harmonic seeds, 7 are right" in said
    assert said.endswith("of the 0 with an EV₂ of 90 % or more, 0.")
    rows = results.coset_table(good).splitlines()
    assert "| harmonic, n = 2 | 3 | 0 | 0 | 3 | 0 | 0 | 0 | 3 | 1 of 1 | 0.50 | 0.20 |" in rows
    assert "rotations of a cube | 11 | 22 | 33 | 44 | 67 | 89 | 100" in results.spectrum_table(good)
    bad = [of(None, seed, 1.0, 0.8) for seed in range(3)]
    bad += [of(2.0, seed, 0.2 + 0.4 * seed, 0.5 - 0.2 * seed) for seed in range(3)]
    bad += [
        of(n, seed, 0.95 if seed else 0.0, 0.4, sooner=2) for n in (4.0, 8.0) for seed in range(3)
    ]
    wrong = [verdict for _, verdict in results.lessons(bad)]
    assert wrong == ["does not hold"] * 4


def test_the_papers_protocol_is_compared_seed_by_seed() -> None:
    """By hand: seeds 0 and 1 are the harmonic head's alone, 2 both have, 3 nobody."""
    never = math.nan
    epochs = {
        "harmonic": [(10.0, 20.0), (10.0, 30.0), (50.0, 90.0), (never, never)],
        "cross-entropy": [(5.0, never), (5.0, never), (5.0, 60.0), (5.0, never)],
    }
    found = [
        fake_records.record(
            asdict(algo.as_released(groups.TASK, head)),
            seed,
            {"test_epoch_90": test, "gap_epoch_90": test - train},
            experiment="algorithmic",
        )
        for head, rows in epochs.items()
        for seed, (train, test) in enumerate(rows)
    ]
    told = live.released_pair(found)
    assert told.startswith("2 seeds get there with the harmonic head alone and 0 with")
    assert "p = 0.5). The harmonic head is the first with 2 seeds and cross-entropy with 1" in told
    assert "shorter with the harmonic head for 3 seeds and longer for 0 (p = 0.25)" in told
    assert seeds.NOT_YET in live.released_pair(found[:4])


def test_one_delay_does_not_grow_and_two_middle_seeds_are_averaged() -> None:
    slow = [of(None, seed, 0.1, 0.8) for seed in range(2)]
    slow += [of(2.0, seed, 1.0, 0.4 + 0.2 * seed) for seed in range(2)]  # solved: median 0.5
    slow += [of(2.0, seed, 0.2, 0.45) for seed in (2, 3)]
    slow += [of(4.0, seed, 0.1, 0.4) for seed in range(2)]  # none solves
    (_, most), (_, delay), (shares, tighter), _ = results.lessons(slow)
    assert (most, delay) == ("does not hold", "does not hold")
    assert "median share within: 0.45, of the others 0.50" in shares
    assert tighter == "holds"


# --- figures ----------------------------------------------------------------------------------


def bars(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def test_figures_show_what_they_are_given(table: Tensor) -> None:
    labels = cosets(KLEIN, "left")
    figure = figures.products({"V4": labels, "left": cosets(groups.LAST, "left")})
    image = figure.axes[0].images[0].get_array()
    assert image is not None
    blocks = torch.tensor(image).view(6, 4, 6, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()

    figure = figures.coloured({"one": (table, labels), "two": (table, labels)}, groups.WORDS)
    assert len(figure.axes[0].lines) == 6
    assert {text.get_text() for text in figure.axes[0].texts} == set(groups.WORDS)
    walk = figures.around(table, labels == 2)
    assert walk[0] == walk[-1]
    assert sorted(walk[:-1].tolist()) == (labels == 2).nonzero().flatten().tolist()

    tenths = torch.arange(1, 11) / 10
    figure = figures.chance(tenths - 1, tenths, tenths / 5, tenths, {"CE": torch.tensor([1.5])})
    assert sum(bar.get_height() for bar in bars(figure)) == 20
    history = {f"{part}_accuracy": torch.rand(5, 2) for part in ("train", "test")}
    assert len(figures.curves({"a": history, "b": history}, (0, 105)).axes[1].lines) == 4
    figure = figures.parts({"random": part_shares(table), "cube": part_shares(proofs.crystal())})
    assert sum(bar.get_width() for bar in bars(figure)) == pytest.approx(200)
    plt.close("all")
