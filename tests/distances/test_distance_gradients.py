"""Gradients of every form of every distance, by finite differences, at kinks and at all scales."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, name_of
from torch import Tensor
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.func import functional_call

import harmonic_lib as hl

N, K, D = 4, 3, 8
EXPONENT = math.sqrt(D)

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)
# The slope of a hard bit is not that of its values; it has a test of its own.
with_each_smooth_form = pytest.mark.parametrize(
    "form", [form for form in FORMS if form.form != "hard"], ids=name_of
)


def as_function(distance: hl.Distance) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The distance as a function of x, w and its parameters, with the noise of one seed."""
    names = list(dict(distance.named_parameters()))

    def function(x: Tensor, w: Tensor, *parameters: Tensor) -> Tensor:
        torch.manual_seed(1)
        return functional_call(distance, dict(zip(names, parameters, strict=True)), (x, w))

    return function, tuple(distance.parameters())


def leaves(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]


# --- finite differences -----------------------------------------------------------------------


@with_each_smooth_form
def test_gradients_are_those_of_finite_differences(form: hl.DistanceSpec) -> None:
    function, parameters = as_function(build(form, 4).double())
    assert gradcheck(function, (*leaves((2, 1, 4), (5, 4)), *parameters))  # of 5, 4 are refined


@with_each_smooth_form
def test_second_derivatives_are_those_of_finite_differences(form: hl.DistanceSpec) -> None:
    function, parameters = as_function(build(form, 3).double())
    assert gradgradcheck(function, (*leaves((2, 3), (5, 3)), *parameters))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_hard_bit_has_the_slope_of_a_soft_one(temperature: float) -> None:
    x, w = leaves((N, D), (K, D))
    d = hl.distance("hamming", form="hard", temperature=temperature, threshold=0.2)(x, w)
    weights = torch.randn(N, K).double()
    grad_x, grad_w = (g.numpy() for g in grad((weights * d).sum(), (x, w)))

    def slope(v: np.ndarray) -> np.ndarray:
        soft = 1 / (1 + np.exp((0.2 - v) / temperature))
        return soft * (1 - soft) / (temperature * D)

    a, b = x.detach().numpy(), w.detach().numpy()
    sign = np.sign((a[:, None] > 0.2).astype(float) - (b > 0.2)) * weights.numpy()[..., None]
    np.testing.assert_allclose(grad_x, sign.sum(1) * slope(a), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(grad_w, -sign.sum(0) * slope(b), rtol=1e-12, atol=1e-16)


# --- at a kink, what the docstring says ---------------------------------------------------------


def slope_at(distance: hl.Distance, x: list[float], w: list[float]) -> list[float]:
    given = torch.tensor(x, requires_grad=True)
    return grad(distance(given, torch.tensor([w])).sum(), given)[0].tolist()


@pytest.mark.parametrize(
    ("name", "options", "x", "w", "expected"),
    [
        ("euclidean", {}, [1, 2], [1, 2], [0, 0]),
        ("manhattan", {}, [1, 2, 3], [1, 0, 5], [0, 1, -1]),
        ("minkowski", {"p": 0.5}, [1, 2], [1, 0], [0, 1]),
        ("minkowski", {"p": 1.0}, [1, 2], [1, 0], [0, 1]),
        ("chebyshev", {}, [0, 2, 0], [1, 0, 2], [0, 1, 0]),
        ("chebyshev", {"smooth": 5.0}, [1, 1], [1, 1], [0, 0]),
        ("cosine", {}, [0, 0], [1, 2], [0, 0]),
        ("canberra", {}, [0, 1], [2, 1], [-0.5, 0]),
        ("bray_curtis", {"form": "normalized"}, [0, 0], [1, 2], [0, 0]),
        ("mahalanobis", {"dim": 2}, [1, 2], [1, 2], [0, 0]),
    ],
)
def test_slope_at_a_kink(
    name: str, options: dict[str, float], x: list[float], w: list[float], expected: list[float]
) -> None:
    x, w = [float(v) for v in x], [float(v) for v in w]
    assert slope_at(hl.distance(name, **options), x, w) == pytest.approx(expected)


# --- the fast path, and the one that can be differentiated again ----------------------------------


@with_each_form
@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_both_paths_give_one_gradient(form: hl.DistanceSpec, k: int, dtype: torch.dtype) -> None:
    x, w = leaves((2, N, D), (k, D), dtype=dtype)
    function, parameters = as_function(build(form, D).to(dtype))
    weights = torch.randn(2, N, k, dtype=dtype)
    fast, slow = (
        grad((weights * function(x, w, *parameters)).sum(), (x, w, *parameters), create_graph=graph)
        for graph in (False, True)
    )
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for one, other in zip(fast, slow, strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@with_each_form
def test_the_matrix_product_has_the_gradient_of_differences(form: hl.DistanceSpec) -> None:
    x, w = leaves((N, D), (40, D))
    distance = build(form, D).double()
    weights = torch.randn(N, 40).double()
    function, parameters = as_function(distance.eval())
    exact = grad((weights * function(x, w, *parameters)).sum(), (x, w, *parameters))
    single = [v.detach().float().requires_grad_() for v in (x, w, *parameters)]
    product = grad((weights.float() * function(*single)).sum(), single)
    for one, other in zip(product, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


# --- scales ---------------------------------------------------------------------------------


def loss_and_gradients(distance: hl.Distance, x: Tensor, w: Tensor) -> list[Tensor]:
    """The harmonic loss of class 0, and its gradients in x and w."""
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    z = hl.harmonic_logits(distance(x, w), EXPONENT)
    loss = F.cross_entropy(z, torch.zeros(len(x), dtype=torch.long), reduction="sum")
    return [loss, *grad(loss, (x, w))]


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.homogeneity is not None], ids=name_of
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("scale", [1e-18, 1e-9, 1e9, 1e18])
@pytest.mark.parametrize("k", [3, 40])
def test_no_gradient_is_lost_at_any_scale(
    form: hl.DistanceSpec, dtype: torch.dtype, scale: float, k: int
) -> None:
    x, w = torch.randn(N, D, dtype=dtype), torch.randn(k, D, dtype=dtype)
    distance = build(form, D).to(dtype)
    loss, grad_x, grad_w = loss_and_gradients(distance, x, w)
    far_loss, far_grad_x, far_grad_w = loss_and_gradients(distance, x * scale, w * scale)
    torch.testing.assert_close(far_loss, loss, rtol=1e-4, atol=0)
    torch.testing.assert_close(far_grad_x * scale, grad_x, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(far_grad_w * scale, grad_w, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=name_of)
@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_second_derivative_is_finite_on_a_prototype_and_at_zero(
    form: hl.DistanceSpec, classes: int, dtype: torch.dtype
) -> None:
    x, w = torch.randn(4, 6, dtype=dtype), torch.randn(classes, 6, dtype=dtype)
    w[0], x[1], w[1] = x[0], 0, 0
    leaves = [x.requires_grad_(), w.requires_grad_()]
    distance = build(form, 6).to(dtype)
    loss = hl.harmonic_logits(distance(x, w), 2).logsumexp(-1).sum()
    first = torch.autograd.grad(loss, leaves, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
    assert all(g.isfinite().all() for g in (*first, *second))


@pytest.mark.parametrize(("rows", "classes"), [(64, 10), (64, 2000)], ids=["eager", "many classes"])
def test_canberra_of_opposite_signs_is_flat_to_the_last_bit(rows: int, classes: int) -> None:
    # A rounding error of the slope is a full step of Adam.
    x, w = torch.rand(rows, 16).add(0.01).requires_grad_(), -torch.rand(classes, 16).add(0.01)
    w.requires_grad_()
    d = hl.distance("canberra")(x, w)
    torch.testing.assert_close(d, torch.full_like(d, 16.0))
    assert all(float(g.abs().max()) == 0 for g in grad(d.sum(), [x, w]))


@pytest.mark.parametrize("k", [3, 40])
def test_euclids_second_derivative_where_coordinates_agree(k: int) -> None:
    """(I - uu') / d with u = (x - w) / d, whatever coordinates of x and w are equal."""
    x, w = torch.randn(5, dtype=torch.float64), torch.randn(k, 5, dtype=torch.float64)
    w[:, 1:4] = x[1:4]
    jacobian = torch.func.jacrev(torch.func.jacrev(lambda v: hl.distance("euclidean")(v, w)))
    gap = x - w
    d = gap.norm(dim=1)[:, None, None]
    u = (gap / gap.norm(dim=1, keepdim=True)).unsqueeze(-1)
    expected = (torch.eye(5, dtype=torch.float64) - u @ u.mT) / d
    torch.testing.assert_close(jacobian(x), expected)
