"""Parallelograms: flat maps, rulers, live runs, and what the records are made to say."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, replace
from itertools import product

import fake_records
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from harmonic_lib.chapters.algorithmic.parallelogram import figures, live, proofs, results
from harmonic_lib.chapters.algorithmic.parallelogram import quads as analogies
from harmonic_lib.data.tasks import parallelogram
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error, side_error

# --- propositions -----------------------------------------------------------------------------


def shuffled(seed: int) -> Tensor:
    """A flat map whose rows stand in a wrong order: as flat, but nothing closes."""
    order = torch.randperm(25, generator=torch.Generator().manual_seed(seed))
    return proofs.flat(seed)[order]


def anywhere(seed: int) -> Tensor:
    """25 independent points."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(25, 16, dtype=torch.float64, generator=generator)


def test_flat_maps_close_and_others_do_not() -> None:
    assert proofs.closing_violation() < 1e-12
    assert proofs.closing_violation(shuffled) > 0.5
    assert proofs.closing_violation(lambda _: proofs.lifted()) > 0.1


def test_the_margin_is_half_the_gap_and_no_more() -> None:
    assert proofs.margin_violation() == 0
    assert proofs.margin_violation(reach=1.001) > 0.5
    assert proofs.margin_violation(score=proofs.dot) > 0.5
    assert proofs.margin_violation(shuffled) > 0.5


def test_no_flat_map_has_more_room_than_half() -> None:
    assert proofs.room_violation() < 1e-12
    assert proofs.room_violation(anywhere) > 0.1
    assert proofs.room(proofs.rhombic(60)) == pytest.approx(0.5)
    assert proofs.room(proofs.rhombic(120)) == pytest.approx(0.5)
    assert proofs.room(proofs.rhombic(55)) < 0.49


def test_room_is_the_least_distance_over_the_spread() -> None:
    table = anywhere(3)
    spread = (table - table.mean(0)).norm() / 5
    assert proofs.room(table) == pytest.approx(pdist(table.numpy()).min() / float(spread))


def test_by_dot_products_only_the_corners_of_a_flat_map_win() -> None:
    assert proofs.hull_violation() < 1e-9
    assert proofs.hull_violation(lambda _: proofs.lifted()) > 1
    centred = proofs.grid() - 2
    assert proofs.addition_accuracy(centred) == 1
    assert proofs.addition_accuracy(centred, proofs.dot) == pytest.approx(900 / 7225)


def test_a_paraboloid_leads_by_half_and_a_flat_map_does_not() -> None:
    assert proofs.lift_violation() == 0
    flat = torch.cat([proofs.grid(), torch.zeros(25, 1, dtype=torch.float64)], 1)
    assert proofs.lift_violation(flat) > 0.5


def test_22_parallelograms_make_a_map_flat_and_21_do_not() -> None:
    squares, slanted = proofs.unit_squares(), proofs.sheared()
    known = set(map(tuple, grid_quads().tolist()))
    assert set(map(tuple, torch.cat([squares, slanted]).tolist())) <= known
    assert (len(squares), len(slanted)) == (16, 6)
    assert proofs.free_dimensions(squares) == 9
    assert proofs.free_dimensions(grid_quads()) == 3
    assert proofs.fewest_violation() == 0
    assert proofs.fewest_violation(squares) > 0


def test_sums_of_rows_and_columns_close_unit_squares_alone() -> None:
    table = anywhere(0)[:5].repeat_interleave(5, 0) + anywhere(1)[:5].repeat(5, 1)
    assert parallelogram_error(table, proofs.unit_squares()) < 1e-12
    assert parallelogram_error(table, proofs.sheared()) > 0.1


def test_a_ring_has_no_side_error_and_closes_nothing() -> None:
    assert proofs.ring_violation() < 1e-12
    assert proofs.ring_violation(ruler=parallelogram_error) > 0.5
    a, b, c, d = proofs.ring()[grid_quads()].unbind(1)
    assert (a + d - b - c).norm(dim=1).min() > 0.01


def test_a_mirrored_corner_keeps_all_sides() -> None:
    quad = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.7, 1.2], [2.7, 1.2]], dtype=torch.float64)
    one = torch.arange(4).unsqueeze(0)
    crossed = proofs.mirrored(quad)
    for i, j in ((0, 1), (1, 3), (3, 2), (2, 0)):
        assert torch.dist(crossed[i], crossed[j]) == pytest.approx(
            float(torch.dist(quad[i], quad[j]))
        )
    assert side_error(crossed, one) < 1e-12
    assert parallelogram_error(crossed, one) > 1


# --- live -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs() -> dict[str, live.Run]:
    """What a page trains at smoke."""
    return live.live("smoke")


def test_the_heads_differ_in_the_head_alone(runs: dict[str, live.Run]) -> None:
    plain, bias, harmonic = (run.outcome for run in runs.values())
    assert plain.members[0].head.bias is None
    assert bias.members[0].head.bias.shape == (25,)
    assert replace(bias.config, released=False) == plain.config
    assert replace(harmonic.config, distance=None, exponent=None) == plain.config
    for run in runs.values():
        assert run.tables.shape == (3, 2, 25, 16)
        last = torch.stack([algorithmic.embedding_of(m) for m in run.outcome.members])
        torch.testing.assert_close(run.tables[-1], last)


def test_curves_and_frames_are_of_the_same_epochs(runs: dict[str, live.Run]) -> None:
    run = runs["harmonic, n = 2"]
    curves = live.curves(run)
    assert all(values.shape == (3, 2) for values in curves.values())
    tables, notes = live.frames(run, [1, 3], member=1)
    torch.testing.assert_close(tables, run.tables[[0, 2], 1])
    recorded = run.outcome.measurements[1].metrics
    assert float(curves["EV$_2$ (%)"][-1, 1]) == pytest.approx(100 * recorded["ev_2"])
    assert f"error {recorded['parallelogram_error']:.2f}" in notes[1]


def test_one_stroke_draws_the_grid_and_nothing_else() -> None:
    drawn = {frozenset(pair) for pair in zip(live.STROKE, live.STROKE[1:], strict=False)}
    across = {frozenset((5 * r + c, 5 * r + c + 1)) for r, c in product(range(5), range(4))}
    down = {frozenset((5 * r + c, 5 * r + c + 5)) for r, c in product(range(4), range(5))}
    assert drawn == across | down


def test_looks_of_a_flat_map_and_of_a_paraboloid(runs: dict[str, live.Run]) -> None:
    outcome = deepcopy(runs["cross-entropy"].outcome)
    bent = torch.zeros(25, 16)
    bent[:, :2] = proofs.grid()
    bent[:, 2] = -0.1 * live.from_centre()[:, 0]
    with torch.no_grad():
        outcome.members[1].embedding.weight.copy_(bent)
    looks = live.looks(outcome)
    assert looks["third axis by distance² (%)"][1] == pytest.approx(100, abs=1e-3)
    assert looks["the same in two axes"][1] == pytest.approx(0, abs=1e-5)
    assert looks["the same in two axes (%)"][1] == 100
    assert looks["third axis by distance² (%)"][0] < 90
    heights = live.third_axis(outcome)[1]
    assert heights[0] > 0 > heights[12]
    text = live.looks_table({"one": looks})
    assert len(text.splitlines()) == 2 + len(looks)


def test_features_are_what_the_head_sees(runs: dict[str, live.Run]) -> None:
    member = runs["harmonic, n = 2"].outcome.members[0]
    features = live.features_of(member)
    with torch.no_grad():
        logits = member(parallelogram().x)
        torch.testing.assert_close(member.head(features.float()), logits)
    means = live.by_answer(features)
    twelve = features[parallelogram().y == 12]
    torch.testing.assert_close(means[12], twelve.mean(0))


def test_the_share_of_an_affine_map_is_one() -> None:
    x = anywhere(0)[:, :3]
    assert live.linear_share(x, x @ anywhere(1)[:3] + 5) == pytest.approx(1)
    assert live.linear_share(x, anywhere(2)) < 0.5


# --- quads that were never trained on ---------------------------------------------------------


def test_a_quad_answers_eight_questions() -> None:
    quads = grid_quads()
    asked = analogies.facts_of(quads)
    assert asked.shape == (684, 8, 3)
    facts = parallelogram()
    answers = dict(zip(map(tuple, facts.x.tolist()), facts.y.tolist(), strict=True))
    for quad, questions in zip(quads[::50].tolist(), asked[::50].tolist(), strict=True):
        assert len(set(map(tuple, questions))) == 8
        assert all({*q, answers[tuple(q)]} == set(quad) for q in questions)


def test_a_quad_is_known_by_any_of_its_questions() -> None:
    quads = grid_quads()
    a, b, c, d = quads[10].tolist()
    for question in ((a, c, b), (d, b, c), (c, d, a)):
        trained = analogies.known(quads, torch.tensor([question]))
        assert trained.nonzero().tolist() == [[10]]
    assert not analogies.known(quads, torch.tensor([(a, a, a)])).any()


def test_what_is_held_out_was_not_trained_on() -> None:
    outcome = live.few("smoke")["harmonic, n = 2"]
    found = analogies.held_out(outcome)
    facts = parallelogram()
    split = algorithmic.splits(outcome.config, facts, [0])[0]
    trained = set(split.train.tolist())
    new = [k for k in range(len(facts.y)) if k not in trained]
    with torch.no_grad():
        right = (outcome.members[0](facts.x).argmax(1) == facts.y)[new].double().mean()
    assert found["right on new facts (%)"][0] == pytest.approx(100 * float(right))
    questions = {tuple(facts.x[k].tolist()) for k in trained}
    apart = [not questions & set(map(tuple, q)) for q in analogies.facts_of(grid_quads()).tolist()]
    share = 100 * sum(apart) / len(apart)
    assert found["quads never trained on (%)"][0] == pytest.approx(share)
    assert outcome.config.drawn
    assert len(split.train) == 100


@pytest.mark.parametrize("make", [live.heads, live.few])
def test_an_unknown_profile_is_told(make: object) -> None:
    with pytest.raises(ValueError, match="profile"):
        make("fast")  # type: ignore[operator]


# --- from the records -------------------------------------------------------------------------


def recorded(config: algorithmic.Config, **metrics: float) -> list[Record]:
    """Two seeds of a configuration with these metrics."""
    defaults = {"test_accuracy": 1.0, "ev_2": 1.0, "parallelogram_error": 0.1}
    return [fake_records.record(asdict(config), seed, defaults | metrics) for seed in (0, 52)]


def test_lessons_are_told_by_the_numbers() -> None:
    clean = [
        *recorded(live.like_for_like("parallelogram", None), ev_2=0.7, parallelogram_error=0.9),
        *recorded(live.like_for_like("parallelogram", "euclidean", 2.0)),
        *recorded(live.like_for_like("parallelogram", "euclidean", 4.0), parallelogram_error=0.2),
    ]
    long = recorded(algorithmic.as_released("parallelogram", "cross-entropy"), ev_2=0.9)
    crystal = recorded(algorithmic.as_released("parallelogram", "harmonic"), ev_2=0.96)

    def verdicts(found: list[Record]) -> list[str]:
        return [verdict for _, verdict in results.lessons(found)]

    assert verdicts([]) == ["not recorded yet"] * 3
    assert verdicts(clean) == ["holds"] * 3 + ["not recorded yet"] * 2
    assert verdicts([*clean, *long, *crystal]) == ["holds"] * 5
    said = dict(results.lessons([*clean, *long, *crystal]))
    assert any("90 % after 7000 epochs, 70 % after 300 of ours" in what for what in said)
    crystal[1].metrics["ev_2"] = 0.6
    long = recorded(algorithmic.as_released("parallelogram", "cross-entropy"), ev_2=0.6)
    clean[0].metrics["ev_2"] = 1.0
    clean[1].metrics["test_accuracy"] = 0.5
    clean[4].metrics["parallelogram_error"] = clean[5].metrics["parallelogram_error"] = 0.01
    assert verdicts([*clean, *long, *crystal]) == ["does not hold"] * 5


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_the_quads_are_drawn_around() -> None:
    corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [3.0, 1.0]])
    figure = figures.quads({"one": (corners, [0, 1, 2, 3]), "two": (proofs.ring(), [0, 8, 11, 19])})
    outline = figure.axes[0].lines[1].get_xydata()
    assert outline.tolist() == corners[[0, 1, 3, 2, 0]].tolist()
    assert [text.get_text() for text in figure.axes[1].texts] == list("abcd")


@pytest.mark.usefixtures("style")
def test_a_line_a_seed_and_a_panel_a_quantity() -> None:
    runs = {head: {"one": torch.rand(4, 3), "two": torch.rand(4, 3)} for head in ("x", "y")}
    figure = figures.by_epoch(runs)
    assert len(figure.axes) == 2
    assert figure.axes[1].lines[4].get_ydata().tolist() == runs["y"]["two"][:, 1].tolist()
    assert figure.axes[1].get_ylabel() == "two"


@pytest.mark.usefixtures("style")
def test_the_bulge_has_a_dot_a_point() -> None:
    heights = {"x": torch.rand(2, 25), "y": torch.rand(2, 25)}
    squares = live.from_centre()[:, 0]
    (axes,) = figures.bulge(squares, heights).axes
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 25]
    assert len(drawn) == 4
    assert drawn[3].get_ydata().tolist() == heights["y"][1].tolist()
    assert abs(drawn[0].get_xdata() - squares.numpy()).max() < 0.3
