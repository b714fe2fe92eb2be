"""The checks of the chapters on Manhattan, Minkowski and Chebyshev hold, and can fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.chapters.distances.chebyshev import proofs
from harmonic_lib.chapters.distances.common import floors, released_heads
from harmonic_lib.chapters.distances.manhattan import proofs as manhattan
from harmonic_lib.chapters.distances.minkowski import proofs as minkowski
from harmonic_lib.experiments.distance_sweep import SEEDS, build, config, digits
from harmonic_lib.measure import axioms

NORMS = {
    "manhattan": hl.distance("manhattan"),
    "euclidean": hl.distance("euclidean"),
    "chebyshev": hl.distance("chebyshev"),
    "minkowski": hl.distance("minkowski", p=1.5),
}
SMOOTH = hl.distance("chebyshev", smooth=10.0)
LAWS = ("d(x, x) = 0", "symmetry", "triangle", "homogeneity", "translation")


def power(p: float) -> axioms.Pairwise:
    return hl.distance("minkowski", p=p)


# --- laws of a norm ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NORMS)
def test_norms_keep_every_law(name: str) -> None:
    found = axioms.axioms(NORMS[name])
    assert tuple(found) == LAWS
    assert max(found.values()) < 1e-12


def skewed(x: Tensor, w: Tensor) -> Tensor:
    """A distance that breaks every law but one."""
    return torch.cdist(x, w) ** 2 * x.square().sum(-1, keepdim=True) + 0.1


def test_each_law_is_seen_to_fail() -> None:
    found = axioms.axioms(skewed)
    assert min(found.values()) > 0.01
    assert axioms.axioms(lambda x, w: torch.cdist(x, w) ** 2)["triangle"] == pytest.approx(1)


def test_below_one_only_the_triangle_fails() -> None:
    found = axioms.axioms(power(0.5))
    assert found.pop("triangle") > 0.5
    assert max(found.values()) < 1e-12


@pytest.mark.parametrize(
    ("distance", "slope"),
    [
        (NORMS["manhattan"], manhattan.sign_slope),
        (power(0.5), minkowski.power_slope(0.5)),
        (power(3.0), minkowski.power_slope(3.0)),
        (NORMS["euclidean"], minkowski.power_slope(2.0)),
        (NORMS["chebyshev"], proofs.worst_slope),
        (SMOOTH, proofs.soft_slope(10.0)),
    ],
)
def test_slopes_by_hand_are_those_of_autograd(distance: hl.Distance, slope: axioms.Slope) -> None:
    assert axioms.slope_violation(distance, slope) < 1e-10


@pytest.mark.parametrize(
    "slope", [manhattan.sign_slope, proofs.worst_slope, proofs.soft_slope(3.0)]
)
def test_slopes_of_another_distance_are_seen(slope: axioms.Slope) -> None:
    assert axioms.slope_violation(SMOOTH, slope) > 0.1


# --- how far the own prototype can be ---------------------------------------------------------


def squared(x: Tensor, w: Tensor) -> Tensor:
    return NORMS["euclidean"](x, w) ** 2


@pytest.mark.parametrize("classes", [4, 6, 10])
@pytest.mark.parametrize("d", [NORMS["manhattan"], squared, hl.distance("cosine")])
def test_own_prototypes_can_be_as_far_as_the_bound_and_no_farther(
    d: axioms.Pairwise, classes: int
) -> None:
    assert axioms.reversal_violation(d, classes) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("d", [NORMS["manhattan"], squared, hl.distance("cosine")])
def test_no_ascent_gets_above_the_bound(d: axioms.Pairwise) -> None:
    places = axioms.normal(2, 6, 8).requires_grad_()
    optimiser = torch.optim.Adam([places], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        between = d(*places)
        own = between.diagonal().sum()
        ((between.sum() - own).log() - own.log()).backward()
        optimiser.step()
    assert 1.9 < axioms.reversal_ratio(d(*places.detach())) < axioms.reversal_bound(6) + 1e-12


def test_the_bound_is_not_for_every_metric() -> None:
    assert axioms.reversal_violation(NORMS["chebyshev"]) == pytest.approx(3 - 2.25)
    assert axioms.axioms(NORMS["chebyshev"])["triangle"] < 1e-12


def test_one_class_alone_has_no_bound() -> None:
    x, w = torch.zeros(3, 2).double(), torch.tensor([[9.0, 0.0], [0.1, 0.0], [0.0, 0.1]]).double()
    between = NORMS["manhattan"](x, w)
    assert float(between[0, 0] / between[0, 1:].mean()) == pytest.approx(90)
    assert axioms.reversal_ratio(between) < axioms.reversal_bound(3)


def test_the_ratio_by_hand() -> None:
    between = torch.tensor([[3.0, 1.0, 2.0], [1.0, 4.0, 1.0], [2.0, 1.0, 5.0]])
    assert axioms.reversal_ratio(between) == pytest.approx(4 / (8 / 6))
    x, w = axioms.opposites(4)
    between = NORMS["manhattan"](x, w)
    assert between.diagonal().tolist() == [6] * 4
    assert between[0].tolist() == [6, 2, 2, 2]


# --- Manhattan --------------------------------------------------------------------------------


def test_manhattan_lies_between_euclid_and_root_d_times_it() -> None:
    d = NORMS["manhattan"]
    assert manhattan.between_violation(d) < 1e-12
    assert manhattan.between_violation(lambda x, w: d(x, w) * 1.01) > 0.005
    assert manhattan.between_violation(lambda x, w: d(x, w) * 0.99) > 0.005


def test_the_border_is_an_area_for_manhattan_alone() -> None:
    assert manhattan.tie_violation(NORMS["manhattan"]) < 1e-12
    assert manhattan.tie_violation(NORMS["euclidean"]) > 1
    ends = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    # two squares of side 2 in one of side 6, and the cells on the diagonal between them
    squares, diagonal = 2 * 4 / 36, 64 / 192**2
    share = manhattan.tied_share(NORMS["manhattan"], ends)
    assert share == pytest.approx(squares + diagonal, abs=1e-9)
    assert manhattan.tied_share(NORMS["euclidean"], ends) == pytest.approx(192 / 192**2, abs=1e-9)


def test_medians_and_no_means() -> None:
    assert manhattan.centre_excess(manhattan.median) < 1e-12
    assert manhattan.centre_excess(lambda points: points.mean(0)) > 0.01
    points = torch.tensor([[1.0, 5.0], [2.0, 0.0], [9.0, 1.0]])
    assert manhattan.median(points).tolist() == [2, 1]


def test_the_best_probability_by_softmax() -> None:
    logits = torch.tensor([0.0] + [-1.0] * 99, dtype=torch.float64)
    best = floors.best_probability(100, 1.0)
    assert best == pytest.approx(float(logits.softmax(0)[0]), rel=1e-12)
    assert best == pytest.approx(0.0267, abs=5e-5)
    assert floors.best_probability(10, 1.0) == pytest.approx(0.232, abs=5e-4)
    assert manhattan.fast_floor(50_304) == pytest.approx(9.826, abs=5e-4)
    assert manhattan.fast_floor(50_304, floored=True) == pytest.approx(9.832, abs=5e-4)


def test_reversed_heads_keep_the_bound_and_others_do_not() -> None:
    def reversed_head(d: Tensor) -> Tensor:
        return released.logits(floors.nearest_as_one(d), "negative")

    def right_head(d: Tensor) -> Tensor:
        return released.logits(floors.nearest_as_one(d), "log")

    assert -1e-5 < manhattan.bound_violation(reversed_head) < 1e-12
    assert manhattan.bound_violation(right_head) > 0.5
    assert manhattan.bound_violation(reversed_head, span=0.5) > 0.05


def test_nearest_as_one_is_the_released_similarity() -> None:
    x, w = torch.rand(5, 8, dtype=torch.float64), torch.rand(3, 8, dtype=torch.float64)
    ours = floors.nearest_as_one(NORMS["manhattan"](x, w), 2.0)
    theirs = released.similarity("manhattan", x, w, n=2.0, eps=0.0)
    assert torch.allclose(ours, theirs, rtol=1e-12)


def test_fast_is_a_sigmoid_between_its_bounds() -> None:
    x, w = np.array([[1.0, -2.0]]), np.array([[3.0, 1.0], [0.0, -1.0]])
    expected = 1 / (1 + np.exp(-np.array([1 / 12, 2 / 3])))
    found = manhattan.fast_similarity(torch.tensor(x), torch.tensor(w))
    assert found[0].tolist() == pytest.approx(expected.tolist(), rel=1e-7)
    ends = manhattan.fast_similarity(torch.eye(2), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))[0]
    assert float((ends[0] / ends[1]).log()) == pytest.approx(1, rel=1e-6)


def test_intermediate_is_exponent_one_with_a_large_constant() -> None:
    d = torch.tensor([[1.0, 2.0, 5.0]], dtype=torch.float64)
    s = manhattan.intermediate_similarity(d)
    assert (s / s.sum()).tolist() == [pytest.approx(hl.harmax(d + 1, 1.0)[0].tolist())]


def test_along_is_zero_at_the_start_and_one_at_the_end() -> None:
    start, end = torch.zeros(2, 3), torch.eye(3)[:2]
    assert [manhattan.along(v, start, end) for v in (start, end, 3 * end)] == [0, 1, 3]
    assert manhattan.along(torch.eye(3)[[2, 2]], start, end) == 0  # beside the way


# --- Minkowski --------------------------------------------------------------------------------


def test_the_detour_by_hand() -> None:
    assert list(minkowski.detour(power(0.5))) == pytest.approx([4, 2])
    assert list(minkowski.detour(power(2.0))) == pytest.approx([math.sqrt(2), 2])


@pytest.mark.parametrize(("p", "holds"), [(0.3, True), (1.0, True), (1.2, False), (3.0, False)])
def test_the_reversed_inequality_holds_up_to_one(p: float, holds: bool) -> None:
    assert (minkowski.reversed_violation(power(p)) < 1e-12) == holds


def test_distances_fall_with_p_between_their_bounds() -> None:
    powers = (0.25, 1.0, 2.0, 8.0)
    assert minkowski.order_violation(power, powers) < 1e-12
    assert minkowski.order_violation(lambda p: power(1 / p), powers) > 1
    assert minkowski.order_violation(lambda p: NORMS["euclidean"], powers) > 0.1


def test_the_geometric_mean_by_hand_and_as_a_limit() -> None:
    x, w = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 4.0]])
    assert minkowski.geometric_mean(x, w).item() == pytest.approx(2)
    gaps = [minkowski.probability_gap(power(p), minkowski.geometric_mean) for p in (0.5, 0.02)]
    assert gaps[1] < 0.1 * gaps[0]
    assert minkowski.probability_gap(power(300.0), NORMS["chebyshev"]) < 0.01
    assert minkowski.probability_gap(power(2.0), NORMS["euclidean"]) == 0


@pytest.mark.parametrize("p", [0.5, 1.5, 3.0])
def test_the_released_distance_to_itself(p: float) -> None:
    x = torch.rand(1, 64, dtype=torch.float64)
    s = released.similarity("minkowski", x, x, p=p)
    assert minkowski.distance_to_itself(p, 64) == pytest.approx(1 / s.item(), rel=1e-9)


def test_the_power_form_is_the_loss_where_it_does_not_break() -> None:
    d, y = torch.rand(5, 4, dtype=torch.float64) + 0.5, torch.tensor([0, 1, 2, 3, 0])
    expected = torch.nn.functional.cross_entropy(hl.harmonic_logits(d, 28.0), y)
    assert minkowski.power_form_loss(d**-28, y).item() == pytest.approx(expected.item())


def wide() -> tuple[Tensor, Tensor, Tensor]:
    """Bright images of 784 pixels, their classes, and small random prototypes."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(64, 784, generator=generator) > 0.7).float()
    return x, torch.arange(64) % 10, torch.randn(10, 784, generator=generator) / 32


def test_the_power_form_gives_nan_weights_and_the_log_form_none() -> None:
    x, y, w = wide()

    def power_form(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        return minkowski.power_form_loss(released.similarity("minkowski", x, w, n=28.0), y)

    def log_form(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        logits = hl.harmonic_logits(power(1.5)(x, w), 28.0)
        return torch.nn.functional.cross_entropy(logits, y)

    broken = released_heads.take_steps(power_form, w, x, y, steps=2)
    assert broken.failed == 1
    assert broken.weight.isnan().all()
    sound = released_heads.take_steps(log_form, w, x, y, steps=2)
    assert sound.failed is None
    assert sound.weight.isfinite().all()
    assert not torch.equal(sound.weight, w)


# --- Chebyshev --------------------------------------------------------------------------------


def test_the_smooth_maximum_keeps_its_bounds_and_a_sum_does_not() -> None:
    assert proofs.bounds_violation(SMOOTH, 10.0) < 1e-12
    constant = math.log(64) / 10
    with_sum = proofs.bounds_violation(lambda x, w: SMOOTH(x, w) + constant, 10.0)
    assert with_sum == pytest.approx(constant)
    assert proofs.bounds_violation(SMOOTH, 20.0) > 0.1  # the bounds of another alpha


def test_the_smooth_form_goes_from_the_mean_to_the_maximum() -> None:
    low, high = (hl.distance("chebyshev", smooth=a) for a in (1e-4, 1e4))
    assert proofs.limit_gaps(low)[0] < 1e-3 < 1 < proofs.limit_gaps(low)[1]
    assert proofs.limit_gaps(high)[1] < 1e-3 < 1 < proofs.limit_gaps(high)[0]


def test_smoothing_costs_the_triangle() -> None:
    direct, halves = proofs.on_a_line(SMOOTH)
    assert direct == pytest.approx(math.log((1 + math.exp(20)) / 2) / 10)
    assert direct > halves
    assert proofs.on_a_line(NORMS["chebyshev"]) == (2, 2)


def test_rescaling_is_another_alpha() -> None:
    steeper = hl.distance("chebyshev", smooth=30.0)
    assert proofs.rescaling_violation(SMOOTH, steeper, 3.0) < 1e-12
    assert proofs.rescaling_violation(SMOOTH, SMOOTH, 3.0) > 0.05


def test_one_coordinate_a_pair_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn(1, 32, generator=generator), torch.randn(4, 32, generator=generator)
    assert proofs.learning_share(NORMS["chebyshev"], x, w) == 1 / 32
    assert proofs.learning_share(SMOOTH, x, w) == 1


def test_ties_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0], [0.0, 0.5]])
    w = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert proofs.tied_coordinates(x, w) == 1 / 4
    assert proofs.tied_classes(NORMS["chebyshev"], x, w) == 1
    assert proofs.tied_classes(NORMS["euclidean"], x, w) == 1 / 2


def test_the_released_layer_is_blind_to_scale() -> None:
    x, w = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0)).double()
    released_form = released.LAYERS["chebyshev_standard"].distance
    near, far = released_form(x, w, 0.0), released_form(100 * x, 100 * w, 0.0)
    assert torch.allclose(near, far, rtol=1e-12)
    assert not torch.allclose(NORMS["chebyshev"](x, w), NORMS["chebyshev"](100 * x, 100 * w))


# --- training ---------------------------------------------------------------------------------


def test_heads_start_and_train_as_in_the_sweep() -> None:
    def logits(x: Tensor, w: Tensor) -> Tensor:
        return hl.harmonic_logits(NORMS["euclidean"](x, w), 8.0)

    trained = released_heads.train(logits, "smoke")
    assert len(trained.heads) == len(SEEDS["smoke"])
    assert trained.accuracy.mean > 0.5
    assert 0 < trained.loss < math.log(10)
    start = build(config("manhattan", 8.0, "smoke"), digits(), 0).weight
    moved = (trained.heads[0].weight - start).detach().abs().max()
    assert 0 < float(moved) < 0.1  # nine steps of 0.005


@pytest.mark.parametrize("seeds", [1, 0, -1, 3])
def test_a_number_of_seeds_that_gives_no_interval_or_is_not_there(seeds: int) -> None:
    message = f"seeds must be from 2, as an interval needs two, to 2, .* 'smoke', got {seeds}"
    with pytest.raises(ValueError, match=message):
        released_heads.train(torch.cdist, "smoke", seeds=seeds)


def test_the_reversed_head_predicts_the_farthest() -> None:
    x, w = torch.zeros(1, 2), torch.tensor([[0.1, 0.0], [1.0, 0.0], [3.0, 0.0]])

    def reversed_head(x: Tensor, w: Tensor) -> Tensor:
        return released.logits(released.similarity("manhattan", x, w), "negative")

    assert released_heads.Head(w, reversed_head)(x).argmax().item() == 2


def test_several_kinds_are_trained_from_one_start() -> None:
    kinds = {"a": lambda x, w: -torch.cdist(x, w), "b": lambda x, w: 0 * torch.cdist(x, w)}
    trained = released_heads.train_all(kinds, "smoke", "noise")
    assert list(trained) == ["a", "b"]
    assert trained["b"].loss == pytest.approx(math.log(10), rel=1e-5)


def test_nearest_changes_counts() -> None:
    d = NORMS["euclidean"]
    assert released_heads.nearest_changes(d, lambda x, w: d(x, w) ** 2) == 0
    assert released_heads.nearest_changes(d, lambda x, w: -d(x, w)) == 1
