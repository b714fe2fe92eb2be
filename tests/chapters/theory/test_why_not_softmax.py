"""The checks of "Why not softmax?" hold, and fail on what is wrong on purpose."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from harmonic_lib.chapters.theory.why_not_softmax import live, proofs

TWO, FIVE = (torch.tensor(points, dtype=torch.float64) for points in live.POINTS.values())


def normal(rows: int, dim: int) -> Tensor:
    """Normal vectors in float64."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, dim, dtype=torch.float64, generator=generator)


def test_the_margin_by_hand() -> None:
    assert proofs.margin(TWO, TWO) == 4  # 2 for its own row, -2 for the other
    assert proofs.margin(proofs.OUTER, proofs.OUTER) == 1
    assert proofs.margin(-TWO, TWO) == -4


@pytest.mark.parametrize("points", [TWO, proofs.OUTER])
def test_longer_weights_are_better(points: Tensor) -> None:
    assert proofs.longer_violation(points, points) == 0


def test_but_not_where_a_point_is_on_the_wrong_side() -> None:
    wrong = proofs.OUTER[[1, 0, 2, 3]]
    assert proofs.longer_violation(wrong, proofs.OUTER) > 1


def test_a_bound_with_twice_the_margin_is_violated() -> None:
    assert proofs.longer_violation(TWO, TWO, lambda a, m, k: math.exp(-2 * a * m)) > 0.01


def test_gradient_descent_is_that_of_autograd() -> None:
    first, last = proofs.descend(proofs.OUTER, [0, 3], seed=0, lr=0.5)
    weight = first.clone().requires_grad_()
    optimiser = torch.optim.SGD([weight], lr=0.5)
    for _ in range(3):
        optimiser.zero_grad()
        proofs.linear_loss(weight, proofs.OUTER).backward()
        optimiser.step()
    assert torch.allclose(weight.detach(), last, atol=1e-12)


def test_the_length_grows_by_as_much_in_each_decade() -> None:
    weights = proofs.descend(proofs.OUTER, [100, 1_000, 10_000], seed=0)
    lengths = [float(w.norm()) for w in weights]
    assert lengths[1] - lengths[0] == pytest.approx(2 * math.log(10), rel=0.05)
    assert lengths[2] - lengths[1] == pytest.approx(2 * math.log(10), rel=0.05)
    assert proofs.angle(weights[2], proofs.OUTER) < proofs.angle(weights[0], proofs.OUTER)


def test_the_angle_by_hand() -> None:
    assert proofs.angle(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])) == pytest.approx(45)


def test_the_regions_are_those_of_a_linear_layer_with_that_bias_only() -> None:
    weight, x = normal(6, 3), 2 * normal(2_000, 3)
    assert proofs.region_disagreement(weight, x) == 0
    assert proofs.region_disagreement(weight, x, biased=False) > 0.05


def test_two_prototypes_have_the_border_of_a_linear_layer() -> None:
    weight, bias, x = normal(2, 3), torch.tensor([0.4, -1.1]).double(), 3 * normal(2_000, 3)
    found = proofs.two_prototypes(weight, bias)
    linear = (x @ weight.T + bias).argmax(-1)
    assert torch.equal(torch.cdist(x, found).argmin(-1), linear)
    assert float((found[0] - found[1]).norm()) == pytest.approx(2)


@pytest.mark.parametrize("points", [TWO, FIVE])
def test_the_floor_of_epsilon(points: Tensor) -> None:
    assert proofs.floor_violation(points) < 1e-9
    assert proofs.floor_violation(points, epsilon=0.1) < 1e-9


def test_a_floor_without_epsilon_in_the_denominator_is_another() -> None:
    def without(points: Tensor, epsilon: float) -> float:
        squared = torch.cdist(points, points).square().fill_diagonal_(epsilon)
        return float((epsilon / squared).sum(1).log().mean())

    assert proofs.floor_violation(FIVE, 0.1, without) > 1e-2


def test_a_root_from_either_side() -> None:
    assert proofs.root(lambda v: v**3, 8, 0, 10) == pytest.approx(2)
    assert proofs.root(lambda v: -v, -3, 0, 10) == pytest.approx(3)
