"""The lab of gradient health: its inputs, its reference, and that its verdicts can be bad."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.distances.gradient_health import (
    cases,
    figures,
    implementations,
    matrix,
    reference,
    stories,
    textbook,
)
from harmonic_lib.chapters.distances.gradient_health.cases import Case
from harmonic_lib.chapters.distances.gradient_health.implementations import Outcome
from harmonic_lib.chapters.distances.gradient_health.matrix import judge
from harmonic_lib.chapters.distances.gradient_health.reference import Reference

FORMS = tuple(textbook.FUNCTIONS)


@pytest.fixture(scope="module")
def matrices() -> dict[str, matrix.Matrix]:
    """The verdicts of all implementations."""
    return matrix.matrices("smoke")


def case_of(column: str) -> Case:
    (case,) = cases.draws(column, 1)
    return case


# --- the textbook ------------------------------------------------------------------------------


def test_every_form_but_gumbel_has_its_textbook_function() -> None:
    every = {f"{f.name} {f.form}".strip() for s in hl.DISTANCES.values() for f in s.every_form()}
    assert set(FORMS) == every - {"hamming gumbel"}


@pytest.mark.parametrize("form", FORMS)
def test_textbook_and_reference_agree_with_the_library_on_ordinary_numbers(form: str) -> None:
    case = case_of("ordinary")
    x, w = case.x.double(), case.w.double()
    expected = implementations.ours(form)(x, w)
    # The library keeps the parameter of Mahalanobis in float32.
    near = 1e-6 if form.startswith("mahalanobis") else 1e-9
    for found in (implementations.textbook(form)(x, w), reference.careful(form)(x, w)):
        torch.testing.assert_close(found, expected, rtol=near, atol=0)


@pytest.mark.parametrize(
    ("form", "metric"),
    [
        ("euclidean", "euclidean"),
        ("manhattan", "cityblock"),
        ("chebyshev maximum", "chebyshev"),
        ("cosine", "cosine"),
        ("canberra standard", "canberra"),
        ("bray_curtis standard", "braycurtis"),
    ],
)
def test_textbook_agrees_with_scipy(form: str, metric: str) -> None:
    case = case_of("ordinary")
    x, w = case.x.double(), case.w.double()
    torch.testing.assert_close(
        implementations.textbook(form)(x, w), torch.from_numpy(cdist(x, w, metric))
    )


def test_both_textbook_losses_are_harmonic_loss() -> None:
    d, y = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([1])
    expected = -math.log(0.25 / (1 + 0.25 + 0.0625))
    assert float(textbook.log_loss(d, y, 2.0)) == pytest.approx(expected)
    assert float(textbook.power_loss(d, y, 2.0)) == pytest.approx(expected)


# --- the inputs --------------------------------------------------------------------------------


@pytest.mark.parametrize("column", cases.INPUTS)
def test_inputs_are_finite_and_always_the_same(column: str) -> None:
    one, other = case_of(column), case_of(column)
    assert torch.equal(one.x, other.x)
    assert torch.equal(one.w, other.w)
    assert (one.x.shape, one.w.shape) == ((1, cases.WIDTH), (cases.CLASSES, cases.WIDTH))
    assert one.x.isfinite().all()
    assert one.w.isfinite().all()


@pytest.mark.parametrize("length", [1, 28])
@pytest.mark.parametrize("gap", ["1e-4", "1e-9"])
def test_close_vectors_have_their_gaps_after_rounding(length: int, gap: str) -> None:
    case = case_of(f"gap {gap}, length {length}")
    gaps = (case.w.double() - case.x.double()).norm(dim=-1)
    expected = float(gap) * torch.tensor([1.25, 1.0], dtype=torch.float64)
    torch.testing.assert_close(gaps[:2], expected, rtol=0.02, atol=0)
    assert float(case.x.norm()) == pytest.approx(length, rel=1e-5)
    assert case.x.all()  # no zeros, which Canberra would not forgive


# --- the reference -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_reference_has_the_slopes_of_finite_differences(form: str) -> None:
    if form == "hamming hard":
        pytest.skip("its slopes are those of the soft bits")
    case, n, step = case_of("ordinary"), 8.0, 1e-5
    right = reference.reference(reference.careful(form), case, n)

    def loss(w: Tensor) -> float:
        d = reference.careful(form)(case.x.double(), w)
        return float(F.cross_entropy(-n * d.log(), cases.OWN))

    for i in (0, 5, 11):
        ends = []
        for sign in (1, -1):
            w = case.w.double()
            w[0, i] += sign * step
            ends.append(loss(w))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(float(right.of_w[0, i]), rel=1e-3, abs=1e-6)


def test_the_reference_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0]])
    right = reference.reference(
        implementations.textbook("euclidean"), Case(x, torch.tensor([[2.0, 0.0], [0.0, 1.0]])), 2.0
    )
    assert right.loss == pytest.approx(math.log(5))  # probabilities 1/5 and 4/5
    assert right.of_w[0].tolist() == pytest.approx([2 * 0.8 / 2, 0])  # n (1 - p) / d
    assert right.natural == pytest.approx(2.0)
    met = reference.reference(
        implementations.textbook("euclidean"), Case(x, torch.tensor([[0.0, 0.0], [0.0, 1.0]])), 2.0
    )
    assert (met.loss, met.met, float(met.of_w.abs().sum())) == (0.0, True, 0.0)


# --- the verdict -------------------------------------------------------------------------------

RIGHT = Reference(2.0, torch.ones(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]), 1.0, False)
SAME = Outcome(RIGHT.loss, RIGHT.of_x, RIGHT.of_w)


@pytest.mark.parametrize(
    ("got", "verdict"),
    [
        (SAME, "ok"),
        (replace(SAME, loss=2.039), "ok"),
        (replace(SAME, loss=2.041), "wrong"),
        (replace(SAME, of_x=1.1 * RIGHT.of_x), "wrong"),
        (replace(SAME, of_w=-RIGHT.of_w), "wrong"),
        (replace(SAME, of_w=torch.tensor([[0.0, 0.0], [0.0, 1.0]])), "dead"),
        (replace(SAME, of_x=1.1e4 * torch.ones(1, 2)), "huge"),
        (replace(SAME, of_w=RIGHT.of_w * torch.tensor([[1.0], [math.nan]])), "NaN"),
        (replace(SAME, loss=math.inf), "NaN"),
        (replace(SAME, finite=False), "NaN"),
        (None, "error"),
    ],
)
def test_each_verdict(got: Outcome | None, verdict: str) -> None:
    assert judge(got, RIGHT) == verdict


def test_flat_is_a_formula_without_a_slope() -> None:
    flat = replace(RIGHT, of_w=torch.zeros(2, 2))
    assert judge(replace(SAME, of_w=torch.zeros(2, 2)), flat) == "flat"
    assert judge(replace(SAME, of_w=torch.zeros(2, 2)), replace(flat, met=True)) == "ok"


def test_without_a_right_answer_a_finite_one_will_do() -> None:
    assert judge(SAME, replace(RIGHT, loss=math.inf)) == "ok"


class Expansion(hl.Distance):
    """Euclid by expansion, with a clamp: it loses small distances."""

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        squares = x.square().sum(-1, keepdim=True) + w.square().sum(-1)
        return (squares - 2 * x @ w.mT).clamp_min(1e-12).sqrt()


class Root(hl.Distance):
    """Euclid by differences, with autograd's slope of the root at 0."""

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return textbook.euclidean(x.unsqueeze(-2), w)


class NoSlope(hl.Distance):
    """Euclid with the gradient of its half."""

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        d: Tensor = hl.distance("euclidean")(x, w)
        return (d + d.detach()) / 2


def test_broken_distances_are_found_out() -> None:
    expansion, root, half = (matrix.examine(d) for d in (Expansion(), Root(), NoSlope()))
    assert expansion["ordinary"] == "ok"
    assert expansion["gap 1e-4, length 28"] in ("wrong", "dead")
    assert root["x = own"] == "NaN"
    assert root["gap 1e-4, length 28"] == "ok"
    assert half["gradcheck in float64"] == "wrong"
    assert set(matrix.examine(hl.distance("euclidean")).values()) == {"ok"}


# --- the matrix --------------------------------------------------------------------------------


def test_the_textbook_breaks_where_theory_says(matrices: dict[str, matrix.Matrix]) -> None:
    logs = matrices["textbook, logarithms"].verdicts
    for column in ("x = own", "x = own = other"):
        for form in FORMS:
            if form != "cosine":  # whose 1 - cos may be a rounding error above 0
                assert logs[form, column] == "NaN", (form, column)
    assert logs["cosine", "x = 0"] == "NaN"
    assert logs["euclidean", "gap 1e-9, length 28"] == "ok"  # by differences
    powers = matrices["textbook, powers"].verdicts
    assert all(powers[form, "n = 768"] == "NaN" for form in FORMS)
    assert all(logs[form, "n = 768"] == "ok" for form in FORMS)


def test_the_released_layers_die_where_theory_says(matrices: dict[str, matrix.Matrix]) -> None:
    found = matrices["released layers"].verdicts
    assert {found[form, "n = 1536"] for form in FORMS} <= {"dead", "NaN"}
    assert found["euclidean", "scale 1e-6"] == "flat"
    assert found["cosine", "x = 0"] == "huge"
    assert found["mahalanobis full", "scale 1e18"] == "dead"


KNOWN = {
    "cosine": {"gap 1e-6, length 1"},
    "hamming soft": {"scale 1e-6", "scale 1e-18"},
    "bray_curtis normalized": {
        f"gap {gap}, length {length}" for gap in ("1e-4", "1e-6", "1e-9") for length in (1, 28)
    },
}
"""Where float32 leaves the library too few digits; the chapter tells of them."""


@pytest.mark.parametrize("way", ["logits", "loss"])
def test_ours_is_right_but_for_what_is_known(matrices: dict[str, matrix.Matrix], way: str) -> None:
    ours = matrices[f"harmonic_lib, {way}"]
    assert not any(ours.counts()[verdict] for verdict in ("huge", "NaN", "error"))
    bad = ours.cells("wrong") + ours.cells("dead")
    assert [cell for cell in bad if cell[1] not in KNOWN.get(cell[0], ())] == []
    assert ours.counts()["ok"] > max(
        m.counts()["ok"] for name, m in matrices.items() if not name.startswith("harmonic_lib")
    )


def test_flat_cells_are_those_of_the_formulas(matrices: dict[str, matrix.Matrix]) -> None:
    flat = matrices["harmonic_lib, logits"].cells("flat")
    assert ("canberra standard", "x > 0 > w") in flat
    assert ("hamming hard", "scale 1e-6") in flat
    assert not [f for f, _ in flat if f.startswith(("euclid", "manh", "mink", "cheb", "maha"))]


@pytest.mark.parametrize(
    "call",
    [
        lambda: matrix.matrices("fast"),
        lambda: cases.draws("x = w", 1),
        lambda: implementations.outcome("theirs", "euclidean", case_of("ordinary")),
        lambda: stories.floor_curve("fast"),
    ],
)
def test_unknown_names_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="unknown"):
        call()


# --- the stories -------------------------------------------------------------------------------


def test_the_root_of_0_has_no_slope_but_ours_has() -> None:
    found = stories.at_a_match()
    assert math.isnan(found["by differences"][1])
    assert found["torch.cdist"] == found["harmonic_lib"] == (0.0, 0.0)


def test_small_distances_of_ours_are_exact_and_those_of_expansion_are_not() -> None:
    found = {s.name: s for s in stories.small_distances(gaps=(0.03,), profile="smoke")}
    for name in ("by differences", "harmonic_lib"):
        assert found[name].median == pytest.approx(found[name].true, rel=1e-5)
    for name in ("by expansion", "torch.cdist"):
        assert abs(found[name].median / found[name].true - 1) > 0.01


def test_expansions_lose_what_differences_keep() -> None:
    rows = {(s.dtype, s.true): s for s in stories.expansions("smoke")}
    fine = rows[torch.float32, 1e-4]
    assert fine.negative > 0
    assert fine.ours == pytest.approx(1e-4, rel=0.01)
    assert abs(rows[torch.bfloat16, 1.0].expansion - 1) > 0.5
    assert rows[torch.float32, 1.0].expansion == pytest.approx(1, rel=0.01)


def test_a_negative_square_flips_signs() -> None:
    x, w = stories.flipped()
    s = hl.released.similarity("euclidean", x, w, n=1, eps=0.0)
    assert (s < 0).any()
    assert (hl.distance("euclidean")(x, w) > 0).all()


def test_the_similarity_floor_is_where_it_is_computed_to_be() -> None:
    curve = stories.floor_curve("smoke")
    assert curve.end == pytest.approx(1.0243, abs=5e-5)
    assert (curve.released[curve.ratios > curve.end * 1.0001] == 0).all()
    assert (curve.released[curve.ratios < curve.end * 0.9999] > 0).all()
    assert (curve.ours > 0).all()
    assert 1 < curve.half < curve.last <= curve.end
    assert float(curve.released[0]) == pytest.approx(float(curve.ours[0]), rel=0.02)


def test_the_proposition_on_epsilon_holds_and_can_fail() -> None:
    for eps in (1e-8, 1e-4, 1.0):
        assert stories.padding_violation(eps) < 1e-3
        assert stories.padding_violation(eps, guard=textbook.clamped) > 0.4


def test_a_clamp_takes_the_pull_away_and_epsilon_weakens_it() -> None:
    pulls = stories.guards(torch.tensor([1e-3, 1.0]), eps=1e-4)
    assert pulls["d² clamped"][0] == 0
    assert 0 < pulls["eps added to d²"][0] < 0.1 * pulls["nothing added"][0]
    assert pulls["nothing added"][0] == pytest.approx(1000 * float(pulls["nothing added"][1]))


def test_on_the_way_to_a_prototype_ours_stays_on_the_exact_line() -> None:
    path = stories.approach("euclidean", "smoke")
    torch.testing.assert_close(
        path.pulls["harmonic_lib, logits"], path.pulls["exact"], rtol=0.02, atol=0
    )
    assert path.pulls["released layers"][0] < 1e-3 * path.pulls["exact"][0]


def test_our_slopes_jump_where_the_chapter_says() -> None:
    chebyshev = hl.distance("chebyshev")
    assert stories.slopes(chebyshev, [0, 0], [1, 1]) == [1, 0]
    assert stories.slopes(chebyshev, [0, 0], [1, 1.001]) == [0, 1]


@pytest.mark.usefixtures("style")
def test_the_figures_draw_every_cell_and_line(matrices: dict[str, matrix.Matrix]) -> None:
    shown = list(matrices.values())[1:4]
    figure = figures.matrices(shown)
    cells = [sum(np.size(line.get_xdata()) for line in axes.lines) for axes in figure.axes]
    assert cells == [len(m.verdicts) for m in shown]
    assert [len(axes.lines) for axes in figure.axes] == [len({*m.verdicts.values()}) for m in shown]
    distances = torch.logspace(-3, 1, 9)
    assert len(figures.guards(distances, stories.guards(distances), 1e-4).axes[0].lines) == 4
    assert len(figures.floor(stories.floor_curve("smoke")).axes[0].lines) == 3
    paths = [stories.approach(form, "smoke") for form in stories.FAMILIES[:3]]
    assert len(figures.approaches(paths).axes) == 3
