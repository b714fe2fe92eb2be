"""Scale invariance: the propositions hold, and their checks notice what is not so."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.scale_invariance import descent, proofs, units
from harmonic_lib.chapters.theory.scale_invariance import figures as draw
from harmonic_lib.plots import regions

N = 4.0
X, W = proofs.vectors(60, 5, 16, seed=1)
Y = torch.arange(60) % 5
FORMS = {proofs.name_of(form): d for form, d in proofs.every_form(16, seed=1)}
INVARIANT = [name for name, d in FORMS.items() if d.spec.homogeneity is not None]
OTHERS = [name for name in FORMS if name not in INVARIANT]
SEPARATE = [name for name, d in FORMS.items() if d.spec.separate_homogeneity == 0]
EUCLID = FORMS["euclidean"]


def plus_eps(x: Tensor, w: Tensor) -> Tensor:
    """The broken distance: squared, plus a constant."""
    return EUCLID(x, w) ** 2 + 0.1


def loss_of(name: str) -> proofs.Loss:
    return proofs.harmonic_loss(FORMS[name], Y, N)


BROKEN = proofs.harmonic_loss(plus_eps, Y, N)


def test_all_forms_are_there_with_parameters_that_are_not_the_first() -> None:
    assert len(FORMS) == 19
    assert len(INVARIANT) == 14
    assert SEPARATE == ["cosine", "bray-curtis, normalized"]
    assert not FORMS["hamming, gumbel"].training
    learnt = [p for d in FORMS.values() for p in d.parameters()]
    assert len(learnt) == 3
    assert all(p.abs().max() > 0.1 for p in learnt)


# --- degrees and changes ----------------------------------------------------------------------


def test_a_degree_is_fitted() -> None:
    found = proofs.degree(lambda x, w: torch.cdist(x, w) ** 2.5, X, W)
    assert found.value == pytest.approx(2.5, abs=1e-12)
    assert found.deviation < 1e-12


@pytest.mark.parametrize("name", FORMS)
def test_fitted_degrees_are_the_declared_ones(name: str) -> None:
    h, found = FORMS[name].spec.homogeneity, proofs.degree(FORMS[name], X, W)
    if h is None:
        assert found.deviation > 0.1
    else:
        assert found.value == pytest.approx(h, abs=1e-12)
        assert found.deviation < 1e-12


def test_a_degree_needs_distances_that_stay_positive() -> None:
    nothing = proofs.degree(lambda x, w: 0 * torch.cdist(x, w), X, W)
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.deviation)
    assert proofs.degree(FORMS["hamming, hard"], X, W).deviation == math.inf


def test_a_constant_spoils_the_degree() -> None:
    assert proofs.degree(plus_eps, X, W).deviation > 0.1
    assert proofs.change(plus_eps, X, W, N, 1 / 8, 1 / 8) > 0.1


def test_a_change_is_the_difference_of_two_probabilities() -> None:
    x, w = torch.zeros(1, 1).double(), torch.tensor([[1.0], [3.0]]).double()
    before, after = 9.1 / (1.1 + 9.1), 36.1 / (4.1 + 36.1)
    found = proofs.change(plus_eps, x, w, 1.0, 2.0, 2.0)
    assert found == pytest.approx(abs(after - before), rel=1e-12)


@pytest.mark.parametrize("name", INVARIANT)
def test_a_degree_makes_probabilities_invariant(name: str) -> None:
    assert proofs.change(FORMS[name], X, W, N, 0.3, 0.3) < 1e-12


@pytest.mark.parametrize("name", OTHERS)
def test_without_a_degree_they_change(name: str) -> None:
    assert max(proofs.change(FORMS[name], X, W, N, a, a) for a in proofs.SCALES) > 0.01


@pytest.mark.parametrize("name", FORMS)
def test_one_side_alone(name: str) -> None:
    own = torch.linspace(0.2, 5, len(W), dtype=W.dtype).unsqueeze(1)
    changes = [
        proofs.change(FORMS[name], X, W, N, of_x=3.0),
        proofs.change(FORMS[name], X, W, N, of_w=3.0),
        proofs.change(FORMS[name], X, W, N, of_w=own),
        proofs.along_ray(FORMS[name], X),
    ]
    assert max(changes) < 1e-12 if name in SEPARATE else min(changes) > 0.05


# --- the converse -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_factors_of_symmetric_distances_differ_at_most_twice_as_far(name: str) -> None:
    assert proofs.converse(FORMS[name], X[:20]) < 1e-12
    over_w, _ = proofs.spread(FORMS[name], X, W)
    assert over_w < 1e-12 if name in INVARIANT else over_w > 0.05


def test_without_symmetry_an_invariant_harmax_says_less() -> None:
    assert proofs.change(proofs.skewed, X, W, N, 3.0, 3.0) < 1e-12
    over_w, over_all = proofs.spread(proofs.skewed, X, W)
    assert over_w < 1e-10
    assert over_all > 1
    assert proofs.converse(proofs.skewed, X[:20]) > 1
    assert proofs.degree(proofs.skewed, X, W).deviation > 1


# --- the weights alone ------------------------------------------------------------------------


def test_weights_alone_lead_to_a_guess_and_to_the_answer_for_zero() -> None:
    for name in INVARIANT:
        ends = [proofs.weights_alone(FORMS[name], X, W, N, a) for a in (2.0**-40, 2.0**40)]
        assert min(ends) > 0.1 if name in SEPARATE else max(ends) < 1e-6
    assert proofs.weights_alone(FORMS["hamming, soft"], X, W, N, 2.0**40) > 0.1


# --- gradients and steps ----------------------------------------------------------------------


@pytest.mark.parametrize("name", INVARIANT)
def test_gradients_of_an_invariant_loss(name: str) -> None:
    loss = loss_of(name)
    assert proofs.slope_mismatch(loss, X, W, 1 / 8) < 1e-12
    assert proofs.euler(loss, X, W) < 1e-13
    assert proofs.step_mismatch(loss, X, W, lr=0.5, decay=0.1) < 1e-13
    along = proofs.radial(loss, X, W)
    assert along < 1e-12 if name in SEPARATE else along > 0.01


@pytest.mark.parametrize("loss", [BROKEN, proofs.linear_loss(Y), loss_of("chebyshev, smooth")])
def test_gradients_of_others_fail(loss: proofs.Loss) -> None:
    assert proofs.slope_mismatch(loss, X, W, 1 / 8) > 0.1
    assert proofs.euler(loss, X, W) > 1e-4
    assert proofs.step_mismatch(loss, X, W, lr=0.5, decay=0.1) > 1e-9


@pytest.mark.parametrize(("optimiser", "lr", "decay"), [("sgd", 0.05, 0.2), ("adamw", 0.02, 0.5)])
@pytest.mark.parametrize("a", [1 / 8, 8.0])
def test_the_same_run_at_another_scale(
    optimiser: descent.Optimiser, lr: float, decay: float, a: float
) -> None:
    def apart(loss: proofs.Loss, adjusted: bool = True) -> float:
        settings = descent.Settings(lr, decay)
        return descent.paths_apart(loss, X, W, optimiser, settings, a, adjusted, steps=10)

    assert apart(loss_of("euclidean")) < 1e-10
    assert apart(loss_of("canberra, standard")) < 1e-10
    assert apart(loss_of("euclidean"), adjusted=False) > 0.02
    assert apart(BROKEN) > 1e-4


def test_a_wrong_decay_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = descent.Settings(0.02, 0.5)
    monkeypatch.setattr(
        descent, "at_scale", lambda kind, s, a: descent.Settings(s.lr * a, s.decay, s.eps / a)
    )
    found = descent.paths_apart(loss_of("euclidean"), X, W, "adamw", settings, 8.0, steps=10)
    assert found > 0.01


def test_descent_lowers_the_loss_and_leaves_its_start_alone() -> None:
    before = W.clone()
    run = descent.descend(loss_of("euclidean"), X, W, "adamw", descent.Settings(0.02), 20)
    assert torch.equal(W, before)
    assert run.losses.shape == (21,)
    assert run.losses[-1] < run.losses[0]
    assert float(run.losses[0]) == pytest.approx(float(loss_of("euclidean")(X, W)))


def test_unknown_optimisers_are_refused() -> None:
    with pytest.raises(ValueError, match="optimiser"):
        descent.at_scale("adam", descent.Settings(0.1), 2.0)  # type: ignore[arg-type]


def test_lengths_follow_the_law_of_a_real_step() -> None:
    loss = loss_of("euclidean")
    v = torch.cat([X.flatten(), W.flatten()])
    gradient = torch.cat([g.flatten() for g in proofs.slopes(loss, X, W)])
    slope = float(v.norm() * gradient.norm())
    after = float(((1 - 0.05) * v - 0.5 * gradient).norm())
    found = proofs.length_after(float(v.norm()), 1, lr=0.5, decay=0.1, slope=slope)
    assert found == pytest.approx(after, rel=1e-12)
    broken = torch.cat([g.flatten() for g in proofs.slopes(proofs.linear_loss(Y), X, W)])
    slope = float(v.norm() * broken.norm())
    found = proofs.length_after(float(v.norm()), 1, lr=0.5, decay=0.1, slope=slope)
    assert found != pytest.approx(float(((1 - 0.05) * v - 0.5 * broken).norm()), rel=1e-6)


# --- constants with a unit --------------------------------------------------------------------


@pytest.mark.parametrize("power", [1, 2])
def test_eps_is_a_length(power: int) -> None:
    assert units.eps_as_scale(EUCLID, X, W, N, 0.1, power, of_degree=1) < 1e-12
    assert units.eps_as_scale(EUCLID, X, W, N, 0.1, power, of_degree=2) > 0.01
    canberra = FORMS["canberra, standard"]
    assert units.eps_as_scale(canberra, X, W, N, 0.1, power, of_degree=0) < 1e-12


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("eps", [1e-6, 1e-2, 10.0])
def test_what_eps_changes_is_bounded(power: int, eps: float) -> None:
    found = units.eps_bound(EUCLID, X / 16, W / 16, N, eps, power)
    assert found.excess == 0
    assert 0 < found.change <= found.bound < 1


def test_the_bound_is_nearly_reached_by_one_distance_that_eps_does_not_see() -> None:
    n, eps, none = 2.0, 1.0, torch.zeros(1, 1).double()
    delta = n * math.log1p(eps)  # q = 1, d_min = 1; the far class is as probable on the whole

    def near_and_far(x: Tensor, w: Tensor) -> Tensor:
        return torch.tensor([[1.0] + [1e6] * 5]).double()

    far = 5 * 1e-12
    expected = 1 / (1 + far) - 1 / (1 + far * math.exp(delta))
    found = units.eps_bound(near_and_far, none, none, n, eps, 1)
    assert found.change == pytest.approx(expected, rel=1e-3)
    assert found.bound == pytest.approx(math.tanh(delta / 4), rel=1e-12)


def test_a_bound_that_is_too_small_is_exceeded() -> None:
    """With half of δ: what the bound would be without the factor n/q of exponent 2."""
    true = units.eps_bound(EUCLID, X / 16, W / 16, 2.0, 1e-2, 2)
    clean = EUCLID(X / 16, W / 16)
    shrunk = ((1e-2 / clean.amin(-1) ** 2).log1p() / 40).tanh()
    assert true.change > float(shrunk.max())


def test_eps_is_recovered_from_odds() -> None:
    for eps in (0.5, 1e-3):
        odds = (5.0**2 + eps) / (2.0**2 + eps)
        assert units.eps_from_odds(2.0, 5.0, odds) == pytest.approx(eps, rel=1e-9)


@pytest.mark.parametrize("form", units.forms_with_unit(), ids=lambda form: form.name)
def test_scaling_the_vectors_is_scaling_the_constant(form: units.WithUnit) -> None:
    assert units.unit_mismatch(form, X, W) < 1e-12
    assert units.unit_mismatch(form._replace(at=lambda a: form.at(1.0)), X, W) > 0.01
    for a in (2.0**-30, 2.0**30):
        assert units.limit_gap(form, X, W, N, a) < 1e-6
    assert units.limit_gap(form._replace(large=EUCLID), X, W, N, 2.0**30) > 0.01
    assert units.limit_gap(form._replace(small=FORMS["cosine"]), X, W, N, 2.0**-30) > 0.01


def test_the_forms_with_a_unit_are_those_without_a_degree() -> None:
    assert sorted(form.name for form in units.forms_with_unit()) == sorted(OTHERS)


def test_noise_can_be_the_same_and_leaves_the_global_generator_alone() -> None:
    noisy = proofs.SameNoise(hl.distance("hamming", form="gumbel"), seed=3)
    before = torch.get_rng_state()
    assert torch.equal(noisy(X, W), noisy(X, W))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(noisy(X, W), FORMS["hamming, gumbel"](X, W))
    assert proofs.change(noisy, X, W, N, 8.0, 8.0) > 0.01


# --- the released layers ----------------------------------------------------------------------


def test_released_layers_change_and_the_stable_cosine_does_not() -> None:
    found = units.released_changes(X, W, [1e-3, 1.0])
    assert list(found) == list(units.RELEASED)
    assert [name for name, _ in units.RELEASED.values()] == sorted(
        hl.DISTANCES, key=[name for name, _ in units.RELEASED.values()].index
    )
    for family, curves in found.items():
        for name, (small, at_one) in curves.items():
            assert at_one == 0
            exact = name == "stable" or (name == "ours" and family != "Hamming")
            assert small < 1e-12 if exact else small > 1e-5
    layers = {layer for _, family in units.RELEASED.values() for layer in family}
    assert layers == set(hl.released.LAYERS) - {"hamming_gumbel"}


def test_released_changes_vanish_with_eps() -> None:
    with_eps = units.released_change("euclidean", X, W, 1e-2)
    without = units.released_change("euclidean", X, W, 1e-2, eps=0.0)
    assert without < 1e-9 < with_eps


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_figures_draw_what_they_are_given() -> None:
    curves = {"one": [0.5, 0.0, 0.25], "two": [0.1, 0.0, 0.2]}
    scales = [0.5, 1.0, 2.0]
    figure = draw.changes({"a": curves, "b": curves}, scales)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    assert list(figure.axes[1].lines[0].get_ydata()) == curves["one"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]

    figure = draw.losses({"a": curves}, scales, guess=0.7)
    assert list(figure.axes[0].lines[1].get_ydata()) == curves["two"]
    assert figure.axes[0].lines[2].get_ydata()[0] == 0.7

    figure = draw.descents({"a": {"one": torch.tensor([2.0, 1.0])}})
    assert list(figure.axes[0].lines[0].get_ydata()) == [2.0, 1.0]

    figure = draw.released({"a": {"one": [0.5, 0.0, 0.0], "ours": [0.1, 0.0, 0.2]}}, scales)
    ours = figure.axes[0].lines[1]
    assert ours.get_color() == regions.INK
    heights = figure.axes[0].lines[0].get_ydata()
    assert heights[0] == 0.5
    assert math.isnan(heights[1])
    assert heights[2] == draw.FLOOR
