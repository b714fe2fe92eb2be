"""Every form of every distance: its values, what its specification declares, and its memory."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from forms import FORMS, build, exact, name_of
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from largest import Largest
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.distances import CLASSES, chebyshev, pairwise
from harmonic_lib.distances.chebyshev import LogMeanExp, Ratios
from harmonic_lib.distances.formula import Formula
from harmonic_lib.evidence import reported

N, K, D = 4, 3, 8

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)


def with_forms(*names: str) -> pytest.MarkDecorator:
    """The forms whose name begins with one of ``names``."""
    chosen = [form for form in FORMS if name_of(form).startswith(names)]
    return pytest.mark.parametrize("form", chosen, ids=name_of)


# Where a rounding error of the oracle does not shrink with the distance: SciPy's 1 - cos has that
# of 1, log D is taken from a log-sum-exp, and parts of a whole have been divided by it.
ORACLE_ERROR = {"cosine": 1e-14, "chebyshev-smooth": 1e-15, "bray_curtis-normalized": 1e-15}

# Dyadic numbers, so that the tests' own arithmetic is exact; many zeros.
NUMBERS = st.one_of(st.just(0.0), st.integers(-(2**16), 2**16).map(lambda i: i / 256))
# Scales with which the product of such a number is exact too.
SCALES = st.integers(1, 1024).map(lambda i: i / 32)


def vectors(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=NUMBERS)


@st.composite
def inputs_and_prototypes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    lead = draw(st.lists(st.integers(1, 3), max_size=2))
    k, d = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    return draw(vectors(*lead, d)), draw(vectors(k, d))


def ours(distance: hl.Distance | str, x: Any, w: Any, **options: object) -> np.ndarray:
    """In evaluation, in the precision of ``x`` and ``w``."""
    module = hl.distance(distance, **options) if isinstance(distance, str) else distance
    x, w = torch.as_tensor(np.asarray(x)), torch.as_tensor(np.asarray(w))
    return module.eval().to(w.dtype)(x, w).detach().numpy()


# --- the values -----------------------------------------------------------------------------


@with_each_form
@given(pair=inputs_and_prototypes())
@settings(max_examples=40)
def test_agrees_with_scipy_or_the_formula(
    form: hl.DistanceSpec, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    x, w = pair
    distance = build(form, x.shape[-1]).double()
    atol = ORACLE_ERROR.get(name_of(form), 0)
    np.testing.assert_allclose(ours(distance, x, w), exact(distance, x, w), rtol=1e-10, atol=atol)


@with_each_form
@pytest.mark.parametrize("k", [5, 40])
def test_agrees_with_many_prototypes(
    form: hl.DistanceSpec, k: int, rng: np.random.Generator
) -> None:
    x, w = rng.normal(size=(2, 3, D)), rng.normal(size=(k, D))
    distance = build(form, D).double()
    np.testing.assert_allclose(ours(distance, x, w), exact(distance, x, w), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "x", "w", "expected"),
    [
        ("euclidean", {}, [0, 0], [3, 4], 5),
        ("manhattan", {}, [0, 0], [3, -4], 7),
        ("minkowski", {"p": 0.5}, [1, 0], [5, 9], 25),
        ("minkowski", {"p": 3}, [3, 0], [0, 4], 91 ** (1 / 3)),
        ("chebyshev", {}, [0, 0], [3, -4], 4),
        ("chebyshev", {"smooth": 2.0}, [0, 0], [3, -4], math.log(math.cosh(1)) / 2 + 3.5),
        ("cosine", {}, [2, 0], [0, 3], 1),
        ("cosine", {}, [1, 2], [-2, -4], 2),
        ("cosine", {}, [1, 0], [1, 1], 1 - math.sqrt(0.5)),
        ("cosine", {}, [0, 0], [1, 1], 1),
        ("hamming", {"threshold": 0.0}, [math.log(3), 0], [-math.log(3), 0], 0.25),
        ("hamming", {"form": "hard"}, [1, 0, 1], [0, 0, 0.5], 2 / 3),
        ("canberra", {}, [1, -1, 0], [3, 1, 0], 1.5),
        ("canberra", {"form": "robust", "min_denom": 2.0}, [1, 0], [3, 1], 1),
        ("canberra", {"form": "weighted", "weight_power": 2}, [1, 0], [3, 1], 9 / 17),
        ("bray_curtis", {}, [1, 2], [2, -4], 7 / 5),
        ("bray_curtis", {}, [1, -2], [-1, 2], 2.0**52),
        ("bray_curtis", {}, [0, 0], [0, 0], 0),
        ("bray_curtis", {"form": "abs"}, [1, 2], [2, -4], 7 / 9),
        ("bray_curtis", {"form": "normalized"}, [1, -3], [2, 2], 0.25),
        ("bray_curtis", {"form": "normalized"}, [0, 0], [0, 0], 1),
        ("mahalanobis", {"dim": 2, "precision": torch.tensor([[2.0, 1], [1, 3]])}, [0, 0], [1, 2],
         math.sqrt(18)),
    ],
)  # fmt: skip
def test_closed_form(
    name: str, options: dict[str, Any], x: list[float], w: list[float], expected: float
) -> None:
    given_pair = np.array(x, float), np.array([w], float)
    assert ours(name, *given_pair, **options) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-18, 1e18, 1e170, 1e300])
@with_forms("euclidean", "minkowski", "mahalanobis")
def test_no_square_or_power_leaves_the_range(
    form: hl.DistanceSpec, scale: float, rng: np.random.Generator
) -> None:
    x, w = rng.normal(size=(2, 2, D))
    distance = build(form, D).double()
    expected = exact(distance, x, w)
    np.testing.assert_allclose(ours(distance, scale * x, scale * w) / scale, expected, rtol=1e-12)


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
@with_forms("cosine", "bray_curtis-normalized")
def test_a_direction_keeps_its_digits_where_squares_leave_the_range(
    form: hl.DistanceSpec, scale: float, rng: np.random.Generator
) -> None:
    x, w = rng.normal(size=(2, 2, D))
    distance = build(form, D)
    expected = exact(distance, x, w)
    np.testing.assert_allclose(ours(distance, scale * x, w / scale), expected, rtol=1e-12)


# --- float32, where prototypes are many, close and far from 0 ---------------------------------


def groups(
    rng: np.random.Generator, k: int, gaps: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Long inputs in float32, with prototypes of their own at each of the ``gaps`` from them."""
    x = rng.normal(size=(k // len(gaps), 64))
    x = (30 * x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)
    directions = rng.normal(size=(len(gaps), *x.shape))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    w = x + np.array(gaps)[:, None, None] * directions
    return x, w.reshape(k, 64).astype(np.float32)


def has_length(form: hl.DistanceSpec) -> bool:
    """Whether it sees more of x and w than their directions."""
    return form.separate_homogeneity is None


@with_each_form
@pytest.mark.parametrize("k", [40, 200])
def test_the_four_nearest_have_their_digits_in_float32(
    form: hl.DistanceSpec, k: int, rng: np.random.Generator
) -> None:
    # a direction is rounded when it is made, so that a small angle has fewer digits
    x, w = groups(rng, k, gaps=(1e-3, 1e-2, 1e-1, 1) if has_length(form) else (1, 2, 3, 4))
    distance = build(form, 64)
    expected = exact(distance, x, w)
    nearest = np.argsort(expected, axis=-1)[:, :4]
    near, near_expected = (
        np.take_along_axis(d, nearest, -1) for d in (ours(distance, x, w), expected)
    )
    atol = 1e-7 if form.form == "smooth" else 0  # a logarithm of about 1 / D
    np.testing.assert_allclose(near, near_expected, rtol=1e-5, atol=atol)


@with_forms("euclidean", "cosine", "mahalanobis")
@pytest.mark.parametrize("k", [40, 200])
def test_the_others_have_the_error_of_a_matrix_product(
    form: hl.DistanceSpec, k: int, rng: np.random.Generator
) -> None:
    x, w = groups(rng, k, gaps=(1e-2, 1e-1, 1, 3, 3, 3, 3, 3))
    distance = build(form, 64)
    expected, eps = exact(distance, x, w), float(np.finfo(np.float32).eps)
    few = 8 * eps
    if form.name == "cosine":
        allowed = few * np.ones_like(expected)
    else:  # d^2 is off by a few eps of these squares, so d by that over 2 d
        origin = np.zeros((1, 64))
        squares = exact(distance, x, origin) ** 2 + exact(distance, w, origin).T ** 2
        allowed = few * squares / (2 * expected) + few * expected
    nearest = np.argsort(expected, axis=-1)[:, :4]
    others = np.ones_like(expected, dtype=bool)
    np.put_along_axis(others, nearest, False, -1)
    error = abs(ours(distance, x, w) - expected)
    assert (error <= allowed)[others].all()


@with_forms("euclidean", "cosine", "mahalanobis", "hamming-soft", "manhattan", "minkowski")
@pytest.mark.parametrize("k", [8, 200])
def test_the_nearest_has_its_digits_however_near_it_is(
    form: hl.DistanceSpec, k: int, rng: np.random.Generator
) -> None:
    x, w = groups(rng, k, gaps=(1.0,))
    gaps = np.logspace(-4 if has_length(form) else -1, 1, k)[:, None]
    w = (x + gaps * (w - x)).astype(np.float32)
    distance = build(form, 64)
    expected, d = np.diag(exact(distance, x, w)), np.diag(ours(distance, x, w))
    assert expected.min() < 1e-3 * expected.max()
    np.testing.assert_allclose(d, expected, rtol=1e-3)


# --- gumbel ---------------------------------------------------------------------------------


def test_gumbel_in_training_draws_one_threshold_for_each_coordinate(
    rng: np.random.Generator,
) -> None:
    x, w = rng.normal(size=(2, 5, D))
    distance = hl.distance("hamming", form="gumbel", temperature=0.7)
    torch.manual_seed(1)
    noisy = distance(torch.tensor(x), torch.tensor(w)).numpy()
    torch.manual_seed(1)
    u = torch.rand(D, dtype=torch.float64).numpy()
    noise = np.log(u) - np.log1p(-u)
    soft = hl.distance("hamming", temperature=0.7)
    np.testing.assert_allclose(noisy, exact(soft, x + noise, w + noise), rtol=1e-10)


def test_gumbel_draws_anew_in_training_and_not_in_evaluation(rng: np.random.Generator) -> None:
    x, w = (torch.tensor(v) for v in rng.normal(size=(2, 5, D)))
    distance = hl.distance("hamming", form="gumbel")
    assert not torch.equal(distance(x, w), distance(x, w))
    distance.eval()
    assert torch.equal(distance(x, w), distance(x, w))


def test_the_mean_of_cold_gumbel_is_soft_hamming(rng: np.random.Generator) -> None:
    x, w = rng.normal(size=(2, 4, D))
    distance = hl.distance("hamming", form="gumbel", temperature=1e-6)
    draws = 4000  # side by side: each coordinate has a noise of its own
    mean = distance(*(torch.tensor(v).repeat(1, draws) for v in (x, w))).numpy()
    # A mean of n bits is further off than t with probability 2 exp(-2 n t^2) at most (Hoeffding),
    # here 1e-6.
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * draws * D))
    expected = exact(hl.distance("hamming"), x, w)
    assert abs(mean - expected).max() < bound < expected.min() / 5


# --- identities -----------------------------------------------------------------------------


def two_of(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(6, D)), rng.normal(size=(40, D))


@pytest.mark.parametrize(
    ("p", "other", "rtol"),
    [(1, "manhattan", 1e-12), (2, "euclidean", 1e-12), (1e4, "chebyshev", math.log(D) / 1e4)],
)
def test_minkowski_is_another_distance(
    p: float, other: str, rtol: float, rng: np.random.Generator
) -> None:
    pair = two_of(rng)
    np.testing.assert_allclose(ours("minkowski", *pair, p=p), ours(other, *pair), rtol=rtol)


@pytest.mark.parametrize("alpha", [0.5, 10, 1e3, 1e6])
def test_smooth_chebyshev_is_below_the_maximum_by_log_d_over_alpha_at_most(
    alpha: float, rng: np.random.Generator
) -> None:
    pair = two_of(rng)
    below = ours("chebyshev", *pair) - ours("chebyshev", *pair, smooth=alpha)
    assert (below > 0).all()
    assert (below <= math.log(D) / alpha + 1e-15).all()


@pytest.mark.parametrize(
    ("reach", "way"), [(0.05, LogMeanExp), (0.2, Ratios), (3.5, Ratios), (4.0, LogMeanExp)]
)
def test_smooth_chebyshev_by_exponentials_of_its_own_where_they_fit(
    reach: float,
    way: type[Formula],
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []

    def every_pair(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
        taken.append(type(formula))
        return pairwise.every_pair(formula, x, w)

    monkeypatch.setattr(chebyshev, "every_pair", every_pair)
    x, w = (torch.from_numpy(rng.uniform(-reach / 2, reach / 2, (n, 64))) for n in (50, 20))
    x[0], x[1:3] = w[0], w[1] + 1e-3 * reach * torch.from_numpy(rng.standard_normal((2, 64)))
    g = torch.from_numpy(rng.standard_normal((50, 20)))
    leaves = [v.float().requires_grad_() for v in (x, w)]
    d = hl.distance("chebyshev", smooth=10.0)(*leaves)
    found = torch.autograd.grad((g * d).sum(), leaves)
    assert set(taken) == {way}
    x, w = (v.detach().double().requires_grad_() for v in leaves)
    expected, *_ = LogMeanExp(10.0).whole(x.unsqueeze(1), w)
    slopes = torch.autograd.grad((g * expected).sum(), (x, w))
    assert d[0, 0] == 0
    torch.testing.assert_close(d.double(), expected, rtol=2e-6, atol=0)
    for ours, theirs in zip(found, slopes, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


def test_smooth_chebyshev_of_a_small_alpha_is_the_mean(rng: np.random.Generator) -> None:
    pair = two_of(rng)
    smooth, mean = ours("chebyshev", *pair, smooth=1e-9), ours("manhattan", *pair) / D
    np.testing.assert_allclose(smooth, mean, rtol=1e-7)


def test_weighted_canberra_is_bray_curtis_of_absolutes(rng: np.random.Generator) -> None:
    pair = two_of(rng)
    weighted = ours("canberra", *pair, form="weighted", weight_power=1)
    np.testing.assert_allclose(weighted, ours("bray_curtis", *pair, form="abs"), rtol=1e-12)


def test_robust_canberra_of_a_tiny_least_denominator_is_standard(
    rng: np.random.Generator,
) -> None:
    pair = two_of(rng)
    robust = ours("canberra", *pair, form="robust", min_denom=1e-9)
    np.testing.assert_allclose(robust, ours("canberra", *pair), rtol=1e-12)


def test_bray_curtis_of_non_negative_vectors_needs_no_absolutes(rng: np.random.Generator) -> None:
    pair = tuple(abs(v) for v in two_of(rng))
    standard, absolute = ours("bray_curtis", *pair), ours("bray_curtis", *pair, form="abs")
    np.testing.assert_allclose(standard, absolute, rtol=1e-12)


def test_normalized_bray_curtis_is_abs_between_parts_of_a_whole(rng: np.random.Generator) -> None:
    pair = tuple(v / abs(v).sum(-1, keepdims=True) for v in map(abs, two_of(rng)))
    normalized = ours("bray_curtis", *pair, form="normalized")
    np.testing.assert_allclose(normalized, ours("bray_curtis", *pair, form="abs"), rtol=1e-10)


def test_cold_soft_hamming_of_bits_is_hard(rng: np.random.Generator) -> None:
    pair = rng.integers(0, 2, (2, 9, D)).astype(float)
    soft, hard = ours("hamming", *pair, temperature=0.01), ours("hamming", *pair, form="hard")
    np.testing.assert_allclose(soft, hard, atol=1e-20, rtol=1e-15)


def test_cosine_is_half_the_squared_euclidean_of_unit_vectors(rng: np.random.Generator) -> None:
    x, w = two_of(rng)
    units = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, w))
    np.testing.assert_allclose(ours("cosine", x, w), ours("euclidean", *units) ** 2 / 2, rtol=1e-10)


@pytest.mark.parametrize("form", ["full", "cholesky", "diagonal"])
def test_mahalanobis_begins_as_euclidean(form: str, rng: np.random.Generator) -> None:
    pair = two_of(rng)
    mahalanobis = ours("mahalanobis", *pair, dim=D, form=form)
    np.testing.assert_allclose(mahalanobis, ours("euclidean", *pair), rtol=1e-12)


@pytest.mark.parametrize("form", ["full", "cholesky", "diagonal"])
def test_mahalanobis_takes_a_precision(form: str, rng: np.random.Generator) -> None:
    root = rng.normal(size=(D, D))
    precision = root @ root.T + np.eye(D)
    if form == "diagonal":
        precision = np.diag(precision)
    distance = hl.distance("mahalanobis", dim=D, form=form, precision=torch.tensor(precision))
    matrix = np.diag(precision) if form == "diagonal" else precision
    np.testing.assert_allclose(distance.precision.detach(), matrix, rtol=1e-5, atol=1e-5)
    x, w = two_of(rng)
    gap = x[:, None] - w
    expected = np.sqrt(np.einsum("nki,ij,nkj->nk", gap, matrix, gap))
    np.testing.assert_allclose(ours(distance, x, w), expected, rtol=1e-5)


def test_a_small_full_precision_is_not_enlarged_by_its_least_eigenvalue() -> None:
    distance = hl.distance("mahalanobis", dim=D, precision=1e-5 * torch.eye(D))
    np.testing.assert_allclose(distance.precision.detach(), 1e-5 * np.eye(D), rtol=1e-3, atol=1e-9)


def test_the_precision_of_mahalanobis_is_that_of_its_formula(rng: np.random.Generator) -> None:
    weight = torch.tensor(rng.normal(size=(D, D)))
    a = weight.numpy() + math.sqrt(1 - 1e-6) * np.eye(D)
    low = np.tril(weight, -1) + np.diag(np.exp(np.diag(weight)))
    expected = {
        "full": a @ a.T + 1e-6 * np.eye(D),
        "cholesky": low @ low.T,
        "diagonal": np.diag(np.exp(np.diag(weight))),
    }
    for form, matrix in expected.items():
        distance = hl.distance("mahalanobis", dim=D, form=form).double()
        with torch.no_grad():
            distance.weight.copy_(weight.diagonal() if form == "diagonal" else weight)
        np.testing.assert_allclose(distance.precision.detach(), matrix, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["full", "cholesky", "diagonal"])
@pytest.mark.parametrize("dim", [1, 5, 12])
@pytest.mark.parametrize("size", [0.0, 0.1, 1.0, 30.0])
def test_the_precision_of_mahalanobis_is_positive_definite(
    form: str, dim: int, size: float
) -> None:
    # larger weights of a Cholesky factor span more than the digits of float64
    size = min(size, 1.0) if form == "cholesky" else size
    distance = hl.distance("mahalanobis", dim=dim, form=form).double()
    with torch.no_grad():
        for _ in range(5):
            distance.weight.normal_(std=size)
            assert torch.linalg.eigvalsh(distance.precision)[0] > 0


def test_the_full_precision_has_its_least_eigenvalue() -> None:
    distance = hl.distance("mahalanobis", dim=D).double()
    with torch.no_grad():
        distance.weight.copy_(-math.sqrt(1 - 1e-6) * torch.eye(D))
    least = torch.linalg.eigvalsh(distance.precision.detach())
    np.testing.assert_allclose(least, 1e-6 * np.ones(D), rtol=1e-9)


# --- options --------------------------------------------------------------------------------

ANOTHER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("minkowski", {"p": 1.5}, {"p": 3.0}),
    ("minkowski", {"p": 0.5}, {"p": 0.6}),
    ("chebyshev", {"smooth": None}, {"smooth": 10.0}),
    ("chebyshev", {"smooth": 2.0}, {"smooth": 10.0}),
    ("hamming", {"form": "soft"}, {"form": "hard"}),
    *(
        ("hamming", {"form": form} | one, {"form": form} | other)
        for form in ("soft", "gumbel", "hard")
        for one, other in (({"temperature": 1}, {"temperature": 2}), ({}, {"threshold": 0.0}))
        if not (form == "hard" and other.get("temperature"))
    ),
    ("canberra", {"form": "standard"}, {"form": "robust", "min_denom": 1.0}),
    ("canberra", {"form": "standard"}, {"form": "weighted"}),
    ("canberra", {"form": "robust"}, {"form": "robust", "min_denom": 1.0}),
    ("canberra", {"form": "weighted"}, {"form": "weighted", "weight_power": 2.0}),
    ("bray_curtis", {"form": "standard"}, {"form": "abs"}),
    ("bray_curtis", {"form": "abs"}, {"form": "normalized"}),
    ("mahalanobis", {"dim": D}, {"dim": D, "precision": 2 * torch.eye(D)}),
    (
        "mahalanobis",
        {"dim": D, "form": "diagonal"},
        {"dim": D, "form": "diagonal", "precision": torch.full((D,), 2.0)},
    ),
]


@pytest.mark.parametrize(("name", "one", "other"), ANOTHER)
def test_an_option_changes_the_distance(
    name: str, one: dict[str, Any], other: dict[str, Any], rng: np.random.Generator
) -> None:
    pair = two_of(rng)
    assert abs(ours(name, *pair, **one) - ours(name, *pair, **other)).max() > 1e-3


def test_every_option_is_tried() -> None:
    tried = {(name, option) for name, *both in ANOTHER for one in both for option in one}
    takes = {(name, o) for name, cls in CLASSES.items() for o in inspect.signature(cls).parameters}
    assert tried == takes


def test_the_forms_of_mahalanobis_read_the_same_weights_in_other_ways(
    rng: np.random.Generator,
) -> None:
    pair, weight = two_of(rng), torch.tensor(rng.normal(size=(D, D)))
    distances = []
    for form in ("full", "cholesky"):
        distance = hl.distance("mahalanobis", dim=D, form=form).double()
        distance.load_state_dict({"weight": weight})
        distances.append(ours(distance, *pair))
    assert abs(distances[0] - distances[1]).max() > 1e-3


def test_the_temperature_of_hard_hamming_changes_its_gradient_alone() -> None:
    x, w = torch.randn(N, D, requires_grad=True), torch.randn(K, D)
    cold, warm = (hl.distance("hamming", form="hard", temperature=t)(x, w) for t in (0.5, 2))
    assert torch.equal(cold, warm)
    slopes = (torch.autograd.grad(d.sum(), x)[0] for d in (cold, warm))
    assert not torch.allclose(*slopes)


# --- what the specification declares --------------------------------------------------------


@with_each_form
def test_the_specification_is_filled_in(form: hl.DistanceSpec) -> None:
    for text in (form.formula, form.domain, form.cost, form.claim, form.intuition):
        assert text
        assert text == text.strip()
    assert isinstance(form.metric, bool)
    assert "|" not in form.formula  # it parts the cells of a table


DRAWN = {  # the names of our forms in the panels of Figure 1
    "manhattan": {"manhattan"},
    "minkowski-p>=1": {"minkowski-1.5"},
    "chebyshev-maximum": {"chebyshev-standard"},
    "cosine": {"cosine-stable", "cosine-unstable"},
    "hamming-soft": {"hamming-soft"},
    "canberra-standard": {"canberra-standard"},
    "canberra-robust": {"canberra-robust"},
    "canberra-weighted": {"canberra-weighted"},
    "bray_curtis-standard": {"bray-curtis-standard"},
    "bray_curtis-abs": {"bray-curtis-abs"},
    "bray_curtis-normalized": {"bray-curtis-normalized"},
    "mahalanobis-full": {"mahalanobis-standard"},
    "mahalanobis-cholesky": {"mahalanobis-cholesky"},
}


def places(drawn: set[str]) -> list[int]:
    """By panel that draws one of them: how many of its heads have a lower accuracy."""
    panels: dict[str, dict[str, float]] = {}
    for row in reported("vision_radar"):
        if row.metric == "score_accuracy":
            panel, head = re.findall(r"(.*-(?:mlp|cnn|resnet50|pvt))-(.*)", row.claim)[0]
            panels.setdefault(panel, {})[head] = row.value
    assert len(panels) == 12
    return [
        min(sorted(heads.values()).index(heads[head]) for head in drawn & set(heads))
        for heads in panels.values()
        if drawn & set(heads)
    ]


@with_each_form
def test_the_claim_counts_the_panels_of_the_figure(form: hl.DistanceSpec) -> None:
    found = places(DRAWN.get(name_of(form), set()))
    counted = re.findall(r"in (\d+) of the 12 panels", form.claim)
    assert counted == ([str(len(found))] if found else [])
    lowest = re.findall(r"with the lowest accuracy(?: in (\d+))?", form.claim)
    assert [int(count or 1) for count in lowest] == [c for c in [found.count(0)] if c]
    if "next to the lowest" in form.claim:
        assert set(found) == {1}


@with_each_form
def test_a_distance_has_the_specification_of_its_form(form: hl.DistanceSpec) -> None:
    distance = build(form, D)
    assert (distance.spec.name, distance.spec.form) == (form.name, form.form)
    assert distance.spec == form
    assert bool(list(distance.parameters())) == bool(form.learns)


def test_the_papers_nine_come_first_and_in_their_order() -> None:
    assert list(hl.DISTANCES)[:9] == [
        "euclidean",
        "manhattan",
        "minkowski",
        "chebyshev",
        "cosine",
        "hamming",
        "canberra",
        "bray_curtis",
        "mahalanobis",
    ]
    assert list(CLASSES) == list(hl.DISTANCES)


@pytest.mark.parametrize("name", hl.DISTANCES)
def test_a_family_begins_with_the_form_that_no_option_asks_for(name: str) -> None:
    family = hl.DISTANCES[name]
    needs = {"dim": D} if family.learns else {}
    assert hl.distance(name, **needs).spec is family
    assert {form.name for form in family.every_form()} == {name}
    forms = [form.form for form in family.every_form()]
    assert len(set(forms)) == len(forms)
    assert all(not form.forms and form.form for form in family.forms)


HOMOGENEOUS = [form for form in FORMS if form.homogeneity is not None]
SEPARATELY = [form for form in FORMS if form.separate_homogeneity is not None]


# Directions and parts of a whole are rounded when they are made: no atol for others.
DIRECTION_ERROR = {"cosine": 1e-20, "bray_curtis-normalized": 1e-15}


@pytest.mark.parametrize("form", HOMOGENEOUS, ids=name_of)
@given(pair=inputs_and_prototypes(), scale=SCALES)
@settings(max_examples=25)
def test_has_the_declared_homogeneity(
    form: hl.DistanceSpec, pair: tuple[np.ndarray, np.ndarray], scale: float
) -> None:
    x, w = pair
    distance = build(form, x.shape[-1]).double()
    np.testing.assert_allclose(
        ours(distance, scale * x, scale * w),
        scale**form.homogeneity * ours(distance, x, w),
        rtol=1e-10,
        atol=DIRECTION_ERROR.get(name_of(form), 0),
    )


@pytest.mark.parametrize("form", SEPARATELY, ids=name_of)
@given(pair=inputs_and_prototypes(), scale=SCALES, other=SCALES)
def test_has_the_declared_separate_homogeneity(
    form: hl.DistanceSpec, pair: tuple[np.ndarray, np.ndarray], scale: float, other: float
) -> None:
    x, w = pair
    assert form.separate_homogeneity == 0
    distance = build(form, x.shape[-1])
    np.testing.assert_allclose(
        ours(distance, scale * x, other * w),
        ours(distance, x, w),
        rtol=1e-10,
        atol=DIRECTION_ERROR[name_of(form)],
    )


def of_many_sizes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(20, 2)) * np.logspace(-3, 1, 20)[:, None], rng.normal(size=(20, 2))


@pytest.mark.parametrize("form", [form for form in FORMS if form.homogeneity is None], ids=name_of)
def test_has_no_degree_where_none_is_declared(
    form: hl.DistanceSpec, rng: np.random.Generator
) -> None:
    points, _ = of_many_sizes(rng)
    distance = build(form, 2)
    d, twice = ours(distance, points, points), ours(distance, 2 * points, 2 * points)
    ratios = twice[(d > 0) & (twice > 0)] / d[(d > 0) & (twice > 0)]
    assert ratios.max() > 1.1 * ratios.min() or ((d == 0) != (twice == 0)).any()


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.separate_homogeneity is None], ids=name_of
)
def test_sees_one_length_where_no_separate_homogeneity_is_declared(
    form: hl.DistanceSpec, rng: np.random.Generator
) -> None:
    distance, (x, w) = build(form, 2).double(), of_many_sizes(rng)
    d, longer = ours(distance, x, w), ours(distance, x, 2 * w)
    assert abs(longer - d).max() > 0.1 * d.max()


METRICS = [form for form in FORMS if form.metric]
NO_METRICS = [form for form in FORMS if not form.metric]


@with_each_form
@given(pair=vectors(2, 3, 4))
@settings(max_examples=15)
def test_is_symmetric(form: hl.DistanceSpec, pair: np.ndarray) -> None:
    x, w = pair
    distance = build(form, 4).double()
    np.testing.assert_allclose(ours(distance, x, w), ours(distance, w, x).T, rtol=1e-14)


# With NUMBERS up to 256 soft bits at T = 1 differ by 1e-111 or more, which float64 can hold;
# beyond 700 they do not differ. Three prototypes are all among the four nearest.


@pytest.mark.parametrize("form", METRICS, ids=name_of)
@given(pair=vectors(2, 3, 2))
@settings(max_examples=25)
def test_a_metric_is_zero_for_equal_vectors_only(form: hl.DistanceSpec, pair: np.ndarray) -> None:
    x, w = pair
    distance = build(form, 2).double()
    equal = (x[:, None] == w).all(-1)
    np.testing.assert_array_equal(ours(distance, x, w) == 0, equal)
    assert (ours(distance, x, w) >= 0).all()
    assert (np.diag(ours(distance, x, x)) == 0).all()


@pytest.mark.parametrize("form", METRICS, ids=name_of)
@given(points=vectors(3, 3))
@settings(max_examples=25)
def test_a_metric_knows_no_shortcut(form: hl.DistanceSpec, points: np.ndarray) -> None:
    distance = build(form, 3).double()
    d = ours(distance, points, points)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        assert d[a, c] <= (d[a, b] + d[b, c]) * (1 + 1e-12)


@pytest.mark.parametrize("form", NO_METRICS, ids=name_of)
def test_no_metric_breaks_an_axiom(form: hl.DistanceSpec) -> None:
    distance = build(form, 2)
    steps = np.array([[0.0, 0], [0, 1], [1, 1], [1, 2], [2, 2], [0, 2]]) / 2
    steps = np.concatenate([steps, steps[1:] / 100])  # and below the least denominator
    d = ours(distance, steps, steps)
    different = ~np.eye(len(steps), dtype=bool)
    shortcut = (d[:, None, :] > 1.01 * (d[:, :, None] + d)).any()  # d(a, c) > d(a, b) + d(b, c)
    assert shortcut or (d[different] < 1e-12).any()


# --- memory ---------------------------------------------------------------------------------


def value_and_gradients(
    distance: hl.Distance, x: Tensor, w: Tensor, *, twice: bool = False
) -> list[Tensor]:
    """The distances, and the gradients of a weighted sum of them; ``twice`` differentiable."""
    torch.manual_seed(0)
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    d = distance(x, w)
    weights = torch.linspace(-1, 2, d.numel(), dtype=d.dtype).reshape(d.shape)
    leaves = (x, w, *distance.parameters())
    return [d, *torch.autograd.grad((weights * d).sum(), leaves, create_graph=twice)]


@with_each_form
@pytest.mark.parametrize(("dtype", "twice"), [(torch.float32, False), (torch.float64, True)])
def test_never_holds_all_differences(
    form: hl.DistanceSpec, dtype: torch.dtype, twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, k, d = 300, 200, 64
    monkeypatch.setattr(pairwise, "BUDGET", 2**16)
    distance, x, w = (v.to(dtype) for v in (build(form, d), torch.randn(n, d), torch.randn(k, d)))
    with Largest() as largest:
        value_and_gradients(distance, x, w, twice=twice)
    # these transform into more coordinates
    width = {"mahalanobis-full": 2 * d, "cosine": d + 2}.get(name_of(form), d)
    assert n * k <= largest.numbers <= max(2**16, n * k, 4 * n * width)


def test_all_differences_would_be_noticed() -> None:
    with Largest() as largest:
        value_and_gradients(AllDifferences(), torch.randn(30, 8), torch.randn(20, 8))
    assert largest.numbers == 30 * 20 * 8


class AllDifferences(hl.Distance):
    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        return (x.unsqueeze(-2) - w).abs().sum(-1)


@with_each_form
@pytest.mark.parametrize("budget", [1, 2 * D + 1, 13 * D])
@pytest.mark.parametrize("twice", [False, True], ids=["first order", "for a second order"])
def test_tiles_change_nothing(
    form: hl.DistanceSpec, budget: int, twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, w = torch.randn(5, D).double(), torch.randn(6, D).double()
    distance = build(form, D).double()
    whole = value_and_gradients(distance, x, w, twice=twice)
    monkeypatch.setattr(pairwise, "BUDGET", budget)
    tiled = value_and_gradients(distance, x, w, twice=twice)
    for one, other in zip(tiled, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@dataclass(frozen=True)
class Watched(Formula):
    """The square of the distance, with the size of each tile that was asked for."""

    tiles: list[int]

    def seen(self, x: Tensor, w: Tensor) -> Tensor:
        self.tiles.append(math.prod(torch.broadcast_shapes(x.shape, w.shape)))
        return x - w

    def __call__(self, x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        return (self.seen(x, w).square().sum(-1),)

    def slopes(self, x: Tensor, w: Tensor, *found: Tensor) -> tuple[Tensor, Tensor]:
        gap = self.seen(x, w)
        return 2 * gap, -2 * gap


@pytest.mark.parametrize("budget", [D, 3 * D + 1, 13 * D])
@pytest.mark.parametrize("twice", [False, True], ids=["first order", "for a second order"])
def test_no_tile_is_above_the_budget(
    budget: int, twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairwise, "BUDGET", budget)
    formula = Watched([])
    x, w = torch.randn(7, D, requires_grad=True), torch.randn(6, D)
    pairwise.every_pair(formula, x, w).sum().backward(create_graph=twice)
    assert sum(formula.tiles) == 2 * 7 * 6 * D  # each pair once forwards and once backwards
    assert max(formula.tiles) <= budget
    assert x.grad is not None
    torch.testing.assert_close(x.grad.detach(), 2 * (6 * x - w.sum(0)).detach())


@pytest.mark.parametrize("name", ["euclidean", "mahalanobis"])
def test_a_common_offset_costs_no_digits(name: str) -> None:
    x, w = (5 + 1e-3 * torch.randn(rows, 768) for rows in (8, 100))
    d = hl.distance(name, **({"dim": 768} if name == "mahalanobis" else {}))
    exact = torch.cdist(x.double(), w.double())
    torch.testing.assert_close(d(x, w).double(), exact, rtol=2e-6, atol=0)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_one_prototype_far_away_costs_the_others_no_digits(far: float) -> None:
    x, w = torch.randn(8, 64), torch.randn(100, 64)
    w[7] *= far
    exact = torch.cdist(x.double(), w.double())
    torch.testing.assert_close(hl.distance("euclidean")(x, w).double(), exact, rtol=1e-5, atol=0)
