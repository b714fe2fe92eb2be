"""Every distance against SciPy, closed forms, finite differences, and the worst of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.distances import base

NAMES = sorted(hl.DISTANCES)
METRICS = [name for name in NAMES if hl.DISTANCES[name].metric]
HOMOGENEOUS = [name for name in NAMES if hl.DISTANCES[name].homogeneity == 1]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
N, K, D = 4, 3, 8
EXPONENT = math.sqrt(D)

# SciPy's 1 - cos has the rounding error of 1, however small the distance.
ORACLE_ERROR = {"cosine": 1e-14}

# Dyadic numbers, so that the tests' own arithmetic is exact; many zeros.
NUMBERS = st.one_of(st.just(0.0), st.integers(-(2**16), 2**16).map(lambda i: i / 256))


def vectors(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=NUMBERS)


def in_domain(name: str, v: np.ndarray) -> np.ndarray:
    """``v`` without the zero vectors, where the distance does not take them."""
    if "non-zero" in hl.DISTANCES[name].domain:
        v = v.copy()
        v[~v.any(-1)] = 1.0
    return v


@st.composite
def inputs_and_prototypes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    lead = draw(st.lists(st.integers(1, 3), max_size=2))
    k, d = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    return draw(vectors(*lead, d)), draw(vectors(k, d))


def scipy_distance(name: str, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    rows = cdist(x.reshape(-1, x.shape[-1]), w, metric=hl.DISTANCES[name].scipy)
    return rows.reshape(*x.shape[:-1], len(w))


def ours(name: str, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return hl.distance(name)(torch.tensor(x), torch.tensor(w)).numpy()


# --- the values ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(pair=inputs_and_prototypes())
def test_agrees_with_scipy(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, w = (in_domain(name, v) for v in pair)
    np.testing.assert_allclose(
        ours(name, x, w), scipy_distance(name, x, w), rtol=1e-10, atol=ORACLE_ERROR.get(name, 0)
    )


@pytest.mark.parametrize(
    ("name", "x", "w", "expected"),
    [
        ("euclidean", [0, 0], [3, 4], 5),
        ("manhattan", [0, 0], [3, -4], 7),
        ("cosine", [2, 0], [0, 3], 1),
        ("cosine", [1, 2], [-2, -4], 2),
        ("cosine", [1, 0], [1, 1], 1 - math.sqrt(0.5)),
    ],
)
def test_closed_form(name: str, x: list[float], w: list[float], expected: float) -> None:
    assert ours(name, np.array(x, float), np.array([w], float)) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-18, 1e18, 1e170, 1e300])
def test_euclidean_keeps_its_digits_where_squares_leave_the_range(
    scale: float, rng: np.random.Generator
) -> None:
    x, w = rng.normal(size=(2, D)) * scale
    assert ours("euclidean", x, w[None]) == pytest.approx(math.dist(x, w), rel=1e-12)


@pytest.mark.parametrize("largest", [2e38, 1e-38, 1e-40])
def test_euclidean_reaches_the_ends_of_float32(largest: float) -> None:
    x = torch.tensor([[1.0, 0.0]]) * largest
    w = torch.tensor([[0.0, 1.0], [0.5, 0.0]]) * largest
    torch.testing.assert_close(
        hl.distance("euclidean")(x, w) / largest,
        torch.tensor([[math.sqrt(2), 0.5]]),
        rtol=1e-5,
        atol=0,
    )


@pytest.mark.parametrize("angle", [3.0, 1e-1, 1e-3, 1e-5])
def test_cosine_keeps_its_digits_between_nearly_parallel_vectors(angle: float) -> None:
    x, w = np.array([3.0, 0.0]), np.array([[math.cos(angle), math.sin(angle)]])
    assert ours("cosine", x, w) == pytest.approx(2 * math.sin(angle / 2) ** 2, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_cosine_keeps_its_digits_where_squares_leave_the_range(
    scale: float, rng: np.random.Generator
) -> None:
    x, w = rng.normal(size=(2, D))
    exact = scipy_distance("cosine", x, w[None])
    assert ours("cosine", scale * x, w[None] / scale) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_small_distances_between_long_vectors_in_float32(
    name: str, rng: np.random.Generator
) -> None:
    x, way = rng.normal(size=(2, 256))
    x = (30 * x / np.linalg.norm(x)).astype(np.float32)
    w = (x + np.logspace(-7, 2, 200)[:, None] * way).astype(np.float32)
    exact = scipy_distance(name, x, w)
    covered = (exact >= 1e-4) & (exact <= 10)
    assert exact[covered].min() < 2e-4
    np.testing.assert_allclose(ours(name, x, w)[covered], exact[covered], rtol=1e-3)


# --- what the specification declares --------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(pair=inputs_and_prototypes(), scale=st.floats(1e-3, 1e3))
def test_has_the_declared_homogeneity(
    name: str, pair: tuple[np.ndarray, np.ndarray], scale: float
) -> None:
    x, w = pair
    degree = hl.DISTANCES[name].homogeneity
    np.testing.assert_allclose(
        ours(name, scale * x, scale * w),
        scale**degree * ours(name, x, w),
        rtol=1e-10,
        # x and w are rounded when they are scaled: equal directions come apart a little
        atol=1e-12 * scale**degree * max(1, abs(x).max(), abs(w).max()),
    )


@pytest.mark.parametrize("name", NAMES)
@given(pair=vectors(2, 3, 4))
def test_is_symmetric(name: str, pair: np.ndarray) -> None:
    x, w = pair
    np.testing.assert_array_equal(ours(name, x, w), ours(name, w, x).T)


@pytest.mark.parametrize("name", METRICS)
@given(pair=vectors(2, 3, 2))
def test_a_metric_is_zero_for_equal_vectors_only(name: str, pair: np.ndarray) -> None:
    x, w = pair
    equal = (x[:, None] == w).all(-1)
    np.testing.assert_array_equal(ours(name, x, w) == 0, equal)
    assert (np.diag(ours(name, x, x)) == 0).all()


@pytest.mark.parametrize("name", METRICS)
@given(points=vectors(3, 4))
def test_a_metric_knows_no_shortcut(name: str, points: np.ndarray) -> None:
    d = ours(name, points, points)
    assert d[0, 2] <= (d[0, 1] + d[1, 2]) * (1 + 1e-12)


def test_cosine_is_no_metric() -> None:
    points = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    d = ours("cosine", points, points)
    assert d[0, 2] > d[0, 1] + d[1, 2]
    assert ours("cosine", points[1], 2 * points[1:2]) == pytest.approx(0)
    assert not hl.DISTANCES["cosine"].metric


@pytest.mark.parametrize("name", NAMES)
def test_the_specification_is_filled_in(name: str) -> None:
    spec = hl.DISTANCES[name]
    assert spec.name == name
    assert all([spec.formula, spec.domain, spec.scipy, spec.cost, spec.intuition])
    assert hl.distance(name).spec is spec


# --- gradients ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    x = torch.randn(2, 3, D, dtype=torch.float64, requires_grad=True)
    w = torch.randn(K, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(hl.distance(name), (x, w))


def loss_and_gradients(
    name: str, x: Tensor, w: Tensor, *, autocast: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """The harmonic loss of class 0, and its gradients in x and w."""
    x, w = x.detach().clone().requires_grad_(), w.detach().clone().requires_grad_()
    with torch.autocast("cpu", enabled=autocast):
        z = hl.harmonic_logits(hl.distance(name)(x, w), EXPONENT)
        loss = F.cross_entropy(z, torch.zeros(z.shape[:-1], dtype=torch.long), reduction="sum")
    loss.backward()
    assert x.grad is not None
    assert w.grad is not None
    return loss, x.grad, w.grad


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1e-18, 1e-9, 1e9, 1e18])
def test_no_gradient_is_lost_at_any_scale(name: str, dtype: torch.dtype, scale: float) -> None:
    x, w = torch.randn(N, D, dtype=dtype), torch.randn(K, D, dtype=dtype)
    loss, grad_x, grad_w = loss_and_gradients(name, x, w)
    far_loss, far_grad_x, far_grad_w = loss_and_gradients(name, x * scale, w * scale)
    torch.testing.assert_close(far_loss, loss, rtol=1e-4, atol=0)
    torch.testing.assert_close(far_grad_x * scale, grad_x, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(far_grad_w * scale, grad_w, rtol=1e-3, atol=1e-5)


# --- the worst of inputs --------------------------------------------------------------------


def coincident(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([w[:1], x[1:]]), w


def duplicate_prototypes(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x, torch.cat([w[:1], w[:1], w[2:]])


def on_duplicate_prototypes(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return duplicate_prototypes(*coincident(x, w))


def zero_x(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([0 * x[:1], x[1:]]), w


def zero_w(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x, torch.cat([0 * w[:1], w[1:]])


def zero_x_and_w(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return zero_x(*zero_w(x, w))


def all_zero(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return 0 * x, 0 * w


def all_equal(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ones_like(x), torch.ones_like(w)


def one_class(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x, w[:1]


def one_input(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x[:1], w


def no_batch_axis(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x[0], w


def one_dimension(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :1], w[:, :1]


def empty_batch(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return x[:0], w


CASES = [
    coincident,
    duplicate_prototypes,
    on_duplicate_prototypes,
    zero_x,
    zero_w,
    zero_x_and_w,
    all_zero,
    all_equal,
    one_class,
    one_input,
    no_batch_axis,
    one_dimension,
    empty_batch,
]
# float16 holds neither these scales nor gradients that are their inverse: 1e-3 and 1e3 there
SCALES = dict.fromkeys(DTYPES, (1e-18, 1e-9, 1e9, 1e18)) | {torch.float16: (1e-3, 1e3)}

with_each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
with_each_precision = pytest.mark.parametrize("autocast", [False, True], ids=["plain", "autocast"])


@pytest.mark.parametrize("name", NAMES)
@with_each_dtype
@with_each_precision
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_loss_and_gradients_are_finite(
    name: str,
    dtype: torch.dtype,
    autocast: bool,
    case: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> None:
    x, w = case(torch.randn(N, D, dtype=dtype), torch.randn(K, D, dtype=dtype))
    for value in loss_and_gradients(name, x, w, autocast=autocast):
        assert value.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("dtype", "scale"), [(dtype, scale) for dtype in DTYPES for scale in SCALES[dtype]], ids=str
)
@with_each_precision
def test_loss_and_gradients_are_finite_at_every_scale(
    name: str, dtype: torch.dtype, scale: float, autocast: bool
) -> None:
    x, w = torch.randn(N, D) * scale, torch.randn(K, D) * scale
    for value in loss_and_gradients(name, x.to(dtype), w.to(dtype), autocast=autocast):
        assert value.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@with_each_dtype
@with_each_precision
def test_a_coincident_class_gets_all_the_probability(
    name: str, dtype: torch.dtype, autocast: bool
) -> None:
    w = torch.randn(K, D).to(dtype)
    with torch.autocast("cpu", enabled=autocast):
        p = hl.harmax(hl.distance(name)(w, w), EXPONENT)
    assert torch.equal(p, torch.eye(K, dtype=p.dtype))


@pytest.mark.parametrize("name", NAMES)
def test_duplicate_prototypes_share_the_probability(name: str) -> None:
    x, w = on_duplicate_prototypes(torch.randn(1, D), torch.randn(K, D))
    p = hl.harmax(hl.distance(name)(x, w), EXPONENT)
    torch.testing.assert_close(p, torch.tensor([[0.5, 0.5, 0.0]]))


@pytest.mark.parametrize("name", NAMES)
def test_an_input_on_its_prototype_has_neither_loss_nor_gradient(name: str) -> None:
    w = torch.randn(K, D)
    for value in loss_and_gradients(name, w[:1], w):
        assert (value == 0).all()


def test_a_zero_vector_is_at_a_right_angle_to_everything() -> None:
    x = torch.zeros(1, D, requires_grad=True)
    w = torch.cat([torch.randn(2, D), torch.zeros(1, D)])
    d = hl.distance("cosine")(x, w)
    assert torch.equal(d, torch.ones(1, 3))
    (gradient,) = torch.autograd.grad(d.sum(), x)
    assert (gradient == 0).all()


# --- precision ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_input_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    x, w = torch.randn(N, D).to(dtype), torch.randn(K, D).to(dtype)
    d = hl.distance(name)(x, w)
    assert d.dtype == torch.float32
    exact = scipy_distance(name, x.double().numpy(), w.double().numpy())
    np.testing.assert_allclose(d.numpy(), exact, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name: str) -> None:
    x, w = torch.randn(N, D), torch.randn(K, D)
    with torch.autocast("cpu"):
        d = hl.distance(name)(x, w)
    assert d.dtype == torch.float32
    assert torch.equal(d, hl.distance(name)(x, w))


def test_a_distance_by_matrix_product_is_safe_from_autocast() -> None:
    class Product(hl.Distance):
        def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
            return x @ w.T

    x, w = torch.randn(N, D), torch.randn(K, D)
    with torch.autocast("cpu"):
        product = Product()(x, w)
    np.testing.assert_allclose(product, x.numpy() @ w.numpy().T, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_is_computed_in_the_finer_one(name: str) -> None:
    x, w = torch.randn(N, D).half(), torch.randn(K, D).double()
    assert hl.distance(name)(x, w).dtype == torch.float64


# --- errors ---------------------------------------------------------------------------------

X, W = torch.zeros(2, 5), torch.zeros(3, 5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        ([1.0, 2.0], W, "x must be a tensor, got list"),
        (X, None, "w must be a tensor, got NoneType"),
        (X.long(), W, "x must be a floating-point tensor, got torch.int64"),
        (X, W.bool(), "w must be a floating-point tensor, got torch.bool"),
        (X.to(torch.complex64), W, "x must be a floating-point tensor, got torch.complex64"),
    ],
)
def test_refuses_another_type(name: str, x: Tensor, w: Tensor, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        hl.distance(name)(x, w)
    assert str(raised.value) == message


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "w"),
    [
        (torch.zeros(2, 4), W),
        (torch.tensor(1.0), W),
        (X, torch.zeros(5)),
        (X, torch.zeros(1, 3, 5)),
        (X, torch.zeros(0, 5)),
        (torch.zeros(2, 0), torch.zeros(3, 0)),
    ],
    ids=lambda tensor: str(tuple(tensor.shape)),
)
def test_shapes_that_do_not_fit_are_both_shown(name: str, x: Tensor, w: Tensor) -> None:
    with pytest.raises(ValueError, match="expected x of shape") as raised:
        hl.distance(name)(x, w)
    assert f"got x {tuple(x.shape)} and w {tuple(w.shape)}" in str(raised.value)


@pytest.mark.parametrize(
    ("given_name", "nearest"),
    [("euclidian", "euclidean"), ("Manhatten", "manhattan"), ("COSINE", "cosine")],
)
def test_an_unknown_name_gets_the_nearest(given_name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'") as raised:
        hl.distance(given_name)
    assert f"unknown distance {given_name!r}" in str(raised.value)
    assert all(name in str(raised.value) for name in NAMES)


def test_a_name_like_no_other_gets_no_hint() -> None:
    with pytest.raises(ValueError, match="unknown distance 'xyz' \\(valid: "):
        hl.distance("xyz")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="'p'"):
        hl.distance("euclidean", p=3)


def test_a_distance_without_a_formula_says_so() -> None:
    with pytest.raises(NotImplementedError):
        base.Distance()(X, W)


def test_no_formula_has_the_bar_that_parts_the_cells_of_a_table() -> None:
    assert not any("|" in spec.formula for spec in hl.DISTANCES.values())
