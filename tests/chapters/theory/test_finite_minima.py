"""The checks of the chapter on finite minima hold, and fail where a premise is false."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import entropy
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.finite_minima import far_away, figures, problems, proofs
from harmonic_lib.measure.axioms import normal

NORMS = ("euclidean", "manhattan", "minkowski", "chebyshev")
UNEVEN = problems.blobs(0, 0.6, (14, 8, 4))


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def summed(x: Tensor, w: Tensor, y: Tensor, n: float) -> float:
    """The harmonic loss by the library's own function."""
    return hl.harmonic_cross_entropy(x, w, y, exponent=n, reduction="sum").item()


def test_the_loss_is_the_librarys() -> None:
    (x, y), w = UNEVEN, normal(3, 2, seed=1)
    assert problems.loss(x, w, y, 3.0).item() == pytest.approx(summed(x, w, y, 3.0), rel=1e-12)


def test_many_prototypes_at_once_have_the_loss_of_each() -> None:
    (x, y), weights = UNEVEN, normal(4, 5, 3, 2, seed=1)
    weights[1, 2, 0] = x[0]  # one on its own prototype, and one on a wrong one
    weights[3, 3, 0] = x[-1]
    each = [problems.loss(x, w, y, 3.0) for w in weights.flatten(0, 1)]
    together = problems.loss(x, weights, y, 3.0)
    assert together.shape == (4, 5)
    assert together[3, 3] == math.inf
    torch.testing.assert_close(together.flatten(), torch.stack(each))


@pytest.mark.parametrize(
    ("w", "expected"),
    [
        ((0.0, 1.0, 2.0), 0.0),
        ((0.0, 0.0, 2.0), math.log(2)),
        ((0.0, 0.0, 0.0), math.log(3)),
        ((1.0, 0.0, 2.0), math.inf),
        ((1.0, 1.0, 1.0), math.log(3)),
    ],
)
def test_distance_zero_is_shared(w: tuple[float, ...], expected: float) -> None:
    value = problems.loss(column(0.0), column(*w), torch.tensor([0]), 2.0)
    assert value.item() == pytest.approx(expected)


def test_ties_are_the_librarys_too() -> None:
    w, y = column(0.0, 0.0, 5.0), torch.tensor([1])
    assert problems.loss(column(0.0), w, y, 2.0).item() == pytest.approx(
        summed(column(0.0), w, y, 2.0)
    )


def test_label_entropy_is_scipys() -> None:
    assert problems.label_entropy(UNEVEN[1]) == pytest.approx(26 * entropy([14, 8, 4]))
    assert problems.floor(*problems.collision()) == pytest.approx(3 * entropy([2, 1]))
    assert problems.floor(*problems.noise()) == pytest.approx(9 * entropy([2, 1]))
    assert problems.floor(*UNEVEN) == 0


def test_no_prototypes_are_below_the_floor() -> None:
    weights = normal(300, 3, 1)
    assert far_away.floor_violation(problems.collision(), weights, 2.0) < 0
    assert far_away.floor_violation(problems.collision(), weights, 0.5, "canberra") < 0


def test_a_bound_that_is_too_high_is_seen() -> None:
    weights = normal(300, 3, 2)
    bound = problems.label_entropy(UNEVEN[1])
    assert far_away.floor_violation(UNEVEN, weights, 2.0, bound=bound) > 1


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("exponent", [0.7, 4.0])
def test_infinity_costs_the_entropy_of_the_frequencies(name: str, exponent: float) -> None:
    assert far_away.infinity_violation(UNEVEN, 3, exponent, name) < 1e-6


def test_an_empty_class_breaks_the_value_at_infinity() -> None:
    assert far_away.infinity_violation(UNEVEN, 4, 4.0) > 0.1


@pytest.mark.parametrize("name", ["cosine", "bray_curtis", "canberra", "hamming"])
def test_a_bounded_distance_breaks_the_value_at_infinity(name: str) -> None:
    assert far_away.infinity_violation(UNEVEN, 3, 4.0, name) > 0.1


@pytest.mark.parametrize("name", NORMS)
def test_the_first_order_at_infinity(name: str) -> None:
    assert far_away.drift_violation(UNEVEN, 4.0, name) < 1e-4
    assert far_away.drift(*UNEVEN, 4.0, name)[1] > 1


def test_the_first_order_at_infinity_needs_a_norm_and_different_means() -> None:
    assert far_away.drift_violation(UNEVEN, 4.0, "hamming") > 1
    assert far_away.drift(*problems.tug_of_war(), 2.0, "euclidean")[1] == pytest.approx(0)
    x, y = UNEVEN
    centred = torch.cat([x[y == k] - x[y == k].mean(0) for k in range(3)])
    assert far_away.drift(centred, y, 4.0, "euclidean")[1] == pytest.approx(0, abs=1e-12)


def test_a_search_ends_at_a_minimum_that_nothing_far_out_reaches() -> None:
    x, y = UNEVEN
    starts = problems.around_means(x, y, 2, 0)
    best = problems.minimise(lambda w: problems.loss(x, w, y, 2.0), starts)
    assert best.gradient < 1e-5
    assert best.loss < problems.label_entropy(y)
    assert best.loss == min(best.losses)
    assert proofs.curvature(x, best.weight, y, 2.0) > 0
    assert far_away.outside_violation(UNEVEN, best.loss, 20.0, 2.0) < -1
    assert far_away.outside_violation(UNEVEN, best.loss + 100, 20.0, 2.0) > 0


def test_mirror_images_beat_ties_on_separable_data_alone() -> None:
    x, y = column(-2.0, -1.0, 1.0, 2.0), torch.tensor([0, 0, 1, 1])
    plane = torch.ones(1, dtype=x.dtype)
    assert proofs.mirror_violation((x, y), plane, 0.0, 2.0) < -0.1
    mixed = torch.tensor([0, 1, 1, 0])
    assert proofs.mirror_violation((x, mixed), plane, 0.0, 2.0) > 0.1


def test_the_mirror_does_not_depend_on_the_length_of_the_normal() -> None:
    x, y = column(-2.0, -1.0, 1.0, 2.0) + 3, torch.tensor([0, 0, 1, 1])
    one, seven = torch.ones(1, dtype=x.dtype), torch.full((1,), 7.0, dtype=x.dtype)
    ours = proofs.mirror_violation((x, y), one, 3.0, 2.0)
    assert proofs.mirror_violation((x, y), seven, 21.0, 2.0) == pytest.approx(ours)


def test_an_empty_class_always_costs_and_less_far_out() -> None:
    w = normal(3, 2)
    assert proofs.empty_class_violation(UNEVEN, w, 2.0) <= 0
    assert proofs.empty_class_violation(UNEVEN, w, 2.0, "bray_curtis") > 0.1


def test_a_class_with_samples_does_not_cost_less_far_out() -> None:
    x, y = UNEVEN
    near, far = (torch.cat([normal(2, 2), s * column(1, 1).T]) for s in (1, 1e6))
    assert problems.loss(x, far, y, 2.0) > problems.loss(x, near, y, 2.0) + 50


@pytest.mark.parametrize("exponent", [1.0, 2.0, 5.0])
def test_a_collision_comes_to_its_floor_at_the_right_ratio_alone(exponent: float) -> None:
    assert proofs.collision_violation(exponent) < 0
    assert proofs.collision_violation(exponent, ratio=1.0) > 0.1
    on_it = problems.loss(
        problems.collision()[0], column(0, 0, 1), problems.collision()[1], exponent
    )
    assert on_it.item() == pytest.approx(3 * math.log(2))


def test_the_tug_of_war_is_lost_by_one_copy_and_drawn_by_twelve() -> None:
    assert proofs.tug_violation(12) < 0
    assert proofs.tug_violation(1) > 0.1
    at_origin = proofs.landscape(12, torch.zeros(1).double(), torch.tensor([1e-6]).double())
    assert at_origin.item() == pytest.approx(math.log(4), rel=1e-9)


def test_the_landscape_is_the_loss() -> None:
    (x, y), places = problems.tug_of_war(3), normal(2, 6)
    values = proofs.landscape(3, *places, exponent=3.0)
    for i, j in ((0, 0), (2, 5), (4, 1)):
        w = torch.stack([places[0, i], places[1, j]])[:, None]
        assert values[i, j].item() == pytest.approx(problems.loss(x, w, y, 3.0).item())


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_the_algebra_of_the_tug_of_war(exponent: float) -> None:
    """exp L = kappa^a P / (1 - rho^2 t)^2 with P = 4 - 8 rho t + kappa^2 t^2, at n = 2 only."""
    (x, y), (c, s) = problems.tug_of_war(12), (0.2, 0.9)
    rho, t = c / s, s * s
    kappa = 1 + rho**2
    product = 4 - 8 * rho * t + kappa**2 * t**2
    by_hand = kappa**12 * product / (1 - rho**2 * t) ** 2
    value = problems.loss(x, column(c, s), y, exponent).exp().item()
    assert (value == pytest.approx(by_hand)) == (exponent == 2.0)


def test_pure_noise_sends_the_prototypes_away() -> None:
    x, y = problems.noise()
    infinity = problems.label_entropy(y)
    pace = far_away.speeds(y, 2.0)[:, None]
    above = [problems.loss(x, t * pace, y, 2.0).item() - infinity for t in (10.0, 100.0, 1000.0)]
    assert above[0] > above[1] > above[2] > 0
    assert above[2] < 1e-6
    same = problems.loss(x, column(9, 9), y, 2.0).item()  # a uniform guess is worse than that
    assert same == pytest.approx(9 * math.log(2))
    assert same > infinity


def test_a_pole_and_two_minima_are_not_convex_but_cross_entropy_is() -> None:
    x, y = problems.tug_of_war()
    ends = column(0.5, -0.1), column(0.5, 0.1)
    assert proofs.midpoint_excess(lambda w: problems.loss(x, w, y, 2.0), *ends) == math.inf
    a = column(0.4988, 0.9729)
    assert proofs.midpoint_excess(lambda w: problems.loss(x, w, y, 2.0), a, -a) > 0.5
    pairs = normal(50, 2, 3, 2)
    (x, y) = UNEVEN
    linear = [proofs.midpoint_excess(lambda w: F.cross_entropy(x @ w.T, y), *p) for p in pairs]
    assert max(linear) <= 0


def test_which_distances_have_infinity_at_zero() -> None:
    x = UNEVEN[0]
    assert proofs.runaway_violation(x, hl.distance("bray_curtis", form="abs")) < 1e-9
    assert proofs.runaway_violation(x, hl.distance("canberra")) < 1e-9
    assert proofs.runaway_violation(x, hl.distance("euclidean")) > 1e9
    with_zero = torch.tensor([[0.0, 1.0]], dtype=x.dtype)
    assert proofs.runaway_violation(with_zero, hl.distance("canberra")) == pytest.approx(1)


def test_which_distances_can_be_scaled_how() -> None:
    w = normal(3, 2)
    change = {
        name: (
            proofs.separate_scale_violation(UNEVEN, w, 2.0, d),
            proofs.scale_violation(UNEVEN, w, 2.0, d),
        )
        for name in ("cosine", "euclidean", "hamming")
        for d in [hl.distance(name)]
    }
    assert max(change["cosine"]) < 1e-9
    assert change["euclidean"][0] > 1 > 1e-9 > change["euclidean"][1]
    assert min(change["hamming"]) > 0.1


def test_decay_alone_has_no_minimum_but_with_epsilon_it_has() -> None:
    assert proofs.decay_violation(0.01) <= 0
    assert proofs.decay_violation(0.01, epsilon=1e-4) > 0.1
    a = torch.tensor([0.7], dtype=torch.float64)
    x = 0.7 * torch.eye(3, dtype=torch.float64)
    dist = (torch.cdist(x, x).square() + 1e-2).sqrt()
    by_hand = F.cross_entropy(-2 * dist.log(), torch.arange(3), reduction="sum")
    by_hand = by_hand + 0.3 * 2 * x.square().sum()
    assert proofs.decayed(a, 0.3, epsilon=1e-2).item() == pytest.approx(by_hand.item())


def test_a_larger_norm_of_the_prototypes_alone_can_reduce_the_loss() -> None:
    x, y = column(-1, 1), torch.tensor([0, 1])
    for factor, expected in ((0.5, 2 * math.log(10 / 9)), (0.75, 2 * math.log(50 / 49))):
        w = factor * x
        assert (hl.distance("euclidean")(x, w).argmin(1) == y).all()
        assert problems.loss(x, w, y, 2.0).item() == pytest.approx(expected)


def test_prototypes_scaled_alone_end_at_constant_guesses() -> None:
    w = normal(3, 2)
    for name in NORMS:
        assert proofs.alone_violation(UNEVEN, w, 3.0, name) < 1e-5
    assert proofs.alone_violation(UNEVEN, w, 3.0, "cosine") > 1


def test_the_pulls_are_the_gradient() -> None:
    (x, y), w = UNEVEN, normal(3, 2).requires_grad_()
    (slope,) = torch.autograd.grad(problems.loss(x, w, y, 3.0), w)
    pull = proofs.pulls(x, w.detach(), y, 3.0)
    by_pulls = 3.0 * (pull.sum(1, keepdim=True) * w.detach() - pull @ x)
    torch.testing.assert_close(slope, by_pulls)


def test_stationary_prototypes_are_affine_combinations_but_not_without_the_push() -> None:
    x, y = problems.blobs(7, 0.6)
    start = problems.around_means(x, y, 1, 0)[0]
    end = problems.search(lambda w: problems.loss(x, w, y, 2.0), start).weight
    pull = proofs.pulls(x, end, y, 2.0)
    weights = proofs.affine_weights(pull)
    assert proofs.stationarity_violation(x, end, pull) < 1e-6
    assert proofs.stationarity_violation(x, end, pull.clamp_min(0)) > 0.1
    moved = end + 0.1
    assert proofs.stationarity_violation(x, moved, proofs.pulls(x, moved, y, 2.0)) > 0.01
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=x.dtype))
    assert weights.min() < 0
    assert ((weights > 0) == F.one_hot(y, 3).T.bool()).all()  # here all sums are positive


def test_the_published_weights_are_not_those_of_a_stationary_point() -> None:
    x, y = problems.blobs(7, 0.6)
    start = problems.around_means(x, y, 1, 0)[0]
    end = problems.search(lambda w: problems.loss(x, w, y, 2.0), start).weight
    published = proofs.published_pulls(x, end)
    torch.testing.assert_close(published, torch.cdist(end, x).pow(-2))
    assert proofs.stationarity_violation(x, end, published) > 0.1


def test_the_prototype_of_the_tug_of_war_leaves_its_class() -> None:
    x, y = problems.tug_of_war()
    end = problems.search(lambda w: problems.loss(x, w, y, 2.0), column(0.4, 0.9))
    assert end.loss < math.log(125 / 36)
    assert far_away.outside(end.weight[0], x[y == 0]) > 0.4
    assert far_away.outside(end.weight[1], x[y == 1]) < 0


def test_outside_is_the_distance_from_the_hull() -> None:
    square = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64)
    places = torch.tensor([[0.5, 3.0], [2.0, 2.0], [0.5, 0.9]], dtype=torch.float64)
    found = [far_away.outside(place, square) for place in places]
    assert found == pytest.approx([2.0, math.sqrt(2), -0.1], abs=1e-5)


@pytest.mark.usefixtures("style")
def test_the_figures_show_what_they_are_given() -> None:
    side = torch.linspace(-1, 1, 20, dtype=torch.float64)
    values = proofs.landscape(1, side, side + 1e-6)
    cross, ring = torch.tensor([[0.5, 0.9]]), torch.zeros(1, 2)
    panel = figures.landscapes(side, {"one": values}, [cross], [ring]).axes[0]
    assert panel.get_title() == "one"
    shown = torch.tensor([line.get_xydata().tolist() for line in panel.lines])
    torch.testing.assert_close(shown, torch.stack([cross, ring]))
    far = torch.logspace(0, 2, 5)
    axes = figures.ways_out(far, {"a": far / 100, "b": far / 50}, {"low": 0.5, "high": 1.0}).axes[0]
    assert axes.lines[1].get_ydata() == pytest.approx((far / 50).numpy())
    assert [line.get_ydata()[0] for line in axes.lines[2:]] == [0.5, 1.0]
    curves = {"harmonic": (far - far[2]).square() + 1, "cross-entropy": 1 / far}
    axes = figures.scaled_alone(far, curves, [2.0]).axes[0]
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert dot.get_xdata() == pytest.approx([far[2].item()])
    (x, y), w = UNEVEN, normal(3, 2)
    (panel,) = figures.hulls(x, y, {"here": w}).axes
    crosses = [line.get_xydata()[0].tolist() for line in panel.lines if line.get_marker() == "X"]
    torch.testing.assert_close(torch.tensor(crosses, dtype=w.dtype), w)
    assert len(panel.patches) == 3


def test_three_separable_classes_need_not_have_a_minimum() -> None:
    data = problems.three_classes()
    x, y = data
    assert x[y == 0, 0].max() < x[y == 1, 0].min()
    assert x[y == 1, 0].max() < x[y == 2, 0].min()
    # Stationary without class 0, with a positive definite Hessian: what the proof asks for.
    others = problems.three_classes(0)
    free = proofs.tie()[1:].flatten().requires_grad_()

    def without(v: Tensor) -> Tensor:
        w = torch.cat([v.new_zeros(1, 3), v.view(2, 3)])
        return problems.loss(others[0], w, others[1], 2.0)

    gradient = torch.autograd.functional.jacobian(without, free)
    assert float(gradient.abs().max()) < 1e-6
    hessian = torch.autograd.functional.hessian(without, free)
    assert float(torch.linalg.eigvalsh(hessian).min()) > 1
    assert proofs.near_tie(data, 1e-3) - proofs.tie_limit() == pytest.approx(0, abs=1e-4)
    assert proofs.tie_violation(data, seed=0) < 1e-9


def test_next_to_that_value_they_have_one() -> None:
    assert proofs.tie_violation(problems.three_classes(4, offset=0.5), seed=0) > 1e-3


# ---- epsilon added to the squared distance --------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
def test_the_loss_with_epsilon_is_that_of_the_student_t_link(epsilon: float) -> None:
    (x, y), w = UNEVEN, normal(3, 2, seed=1)
    w[0] = x[0]  # one on its prototype
    link = hl.link("student_t", exponent=3.0, scale=math.sqrt(epsilon))
    logits = link(hl.distance("euclidean")(x, w))
    expected = F.cross_entropy(logits, y, reduction="sum").item()
    assert problems.loss(x, w, y, 3.0, epsilon=epsilon).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
def test_with_epsilon_infinity_costs_more_and_nothing_jumps(name: str, epsilon: float) -> None:
    for exponent in (0.7, 4.0):
        assert proofs.epsilon_violation(UNEVEN, 3, exponent, epsilon, name) < 1e-4


def test_without_epsilon_the_loss_jumps_at_ties() -> None:
    assert proofs.largest_jump(UNEVEN, 4.0) == pytest.approx(math.log(2), rel=1e-3)
    assert proofs.epsilon_violation(UNEVEN, 3, 4.0, 0.0) > 0.5


def test_epsilon_does_not_help_an_empty_class() -> None:
    assert proofs.epsilon_violation(UNEVEN, 4, 4.0, 1e-4) > 0.1
    (x, y), w = UNEVEN, normal(3, 2)
    without = problems.loss(x, w, y, 2.0, epsilon=1e-4).item()
    far = [torch.cat([w, t * column(1, 1).T]) for t in (10.0, 1e3, 1e5)]
    excess = [problems.loss(x, v, y, 2.0, epsilon=1e-4).item() - without for v in far]
    assert excess[0] > excess[1] > excess[2] > 0


def test_epsilon_does_not_help_pure_noise() -> None:
    assert proofs.epsilon_violation(problems.noise(), 2, 2.0, 1e-4) > 1
    x, y = problems.noise()
    starts = problems.around_means(x, y, 4, 0)
    best = problems.minimise(lambda w: problems.loss(x, w, y, 2.0, epsilon=1e-2), starts)
    assert best.loss > problems.label_entropy(y)


@pytest.mark.parametrize("name", ["cosine", "bray_curtis", "canberra", "hamming"])
def test_the_corollary_on_epsilon_is_about_norms(name: str) -> None:
    assert proofs.epsilon_violation(UNEVEN, 3, 4.0, 1e-4, name) > 0.1


def test_with_epsilon_the_three_separable_classes_have_a_minimum() -> None:
    x, y = problems.three_classes()
    apart = []
    for epsilon in (1e-2, 1e-4):
        end = problems.search(
            lambda w, e=epsilon: problems.loss(x, w, y, 2.0, epsilon=e),
            proofs.tie() + 0.3 * normal(3, 3),
        )
        at_tie = problems.loss(x, proofs.tie(), y, 2.0, epsilon=epsilon).item()
        around = end.weight + 0.1 * normal(300, 3, 3)
        assert end.gradient < 1e-5
        assert end.loss < min(at_tie, problems.label_entropy(y))
        assert problems.loss(x, around, y, 2.0, epsilon=epsilon).min().item() > end.loss
        apart.append(float((end.weight[0] - end.weight[1]).norm()))
    assert apart[0] > 2 * apart[1] > 0.1
