"""Every link against its formula, against the other links, and in the head."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.harmax import LINKS, floor

FORMULAS = {
    "harmonic": lambda d, exponent: -exponent * np.log(d),
    "isomax": lambda d, tau=10.0: -tau * d,
    "gaussian": lambda d, sigma=1.0: -(d**2) / (2 * sigma**2),
    "student_t": lambda d, exponent, scale=1.0: -exponent / 2 * np.log1p(d**2 / scale**2),
    "cosine_softmax": lambda d, tau=10.0: tau * (1 - d),
}
OPTIONS: list[tuple[str, dict[str, float]]] = [
    ("harmonic", {"exponent": 2.5}),
    ("isomax", {}),
    ("isomax", {"tau": 0.3}),
    ("gaussian", {}),
    ("gaussian", {"sigma": 0.4}),
    ("student_t", {"exponent": 2.5}),
    ("student_t", {"exponent": 2.5, "scale": 0.4}),
    ("cosine_softmax", {}),
    ("cosine_softmax", {"tau": 0.3}),
]
DISTANCES = arrays(np.float64, (3, 5), elements=st.floats(0.1, 10))
POSITIVE = st.floats(0.1, 20)


def ours(name: str, d: np.ndarray, **options: float) -> np.ndarray:
    return hl.link(name, **options)(torch.tensor(d)).numpy()


def probabilities(name: str, d: np.ndarray, **options: float) -> np.ndarray:
    return softmax(ours(name, d, **options), axis=-1)


def test_every_link_has_a_formula_here() -> None:
    assert LINKS.keys() == FORMULAS.keys()


# --- the values -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@given(d=DISTANCES)
def test_is_its_formula(name: str, options: dict[str, float], d: np.ndarray) -> None:
    expected = FORMULAS[name](d, **options)
    np.testing.assert_allclose(ours(name, d, **options), expected, rtol=1e-12, atol=1e-14)


@given(d=DISTANCES, n=POSITIVE)
def test_student_t_of_a_small_scale_is_harmax(d: np.ndarray, n: float) -> None:
    harmonic = hl.harmax(torch.tensor(d), n).numpy()
    student_t = probabilities("student_t", d, exponent=n, scale=1e-9)
    np.testing.assert_allclose(student_t, harmonic, rtol=1e-9)


@given(d=DISTANCES, sigma=st.floats(1, 3))
def test_student_t_of_many_degrees_is_gaussian(d: np.ndarray, sigma: float) -> None:
    n = 1e8  # log(1 + y) is y up to y^2 / 2, and rounded to about 1e-16, with a factor n / 2
    student_t = ours("student_t", d, exponent=n, scale=math.sqrt(n) * sigma)
    np.testing.assert_allclose(student_t, ours("gaussian", d, sigma=sigma), rtol=1e-5)


@given(d=DISTANCES, tau=POSITIVE)
def test_isomax_of_a_cosine_distance_is_the_cosine_softmax(d: np.ndarray, tau: float) -> None:
    np.testing.assert_allclose(
        probabilities("isomax", d / 5, tau=tau),
        probabilities("cosine_softmax", d / 5, tau=tau),
        rtol=1e-12,
    )


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_larger_distance_has_a_smaller_logit(name: str, options: dict[str, float]) -> None:
    assert (np.diff(ours(name, np.logspace(-2, 2, 50), **options)) < 0).all()


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name, options in OPTIONS for option in options],
)
def test_an_option_changes_the_logits(name: str, option: str) -> None:
    needed = {"exponent": 2.5} if name in ("harmonic", "student_t") else {}
    d = np.array([0.5, 2.0])
    one, other = (ours(name, d, **(needed | {option: value})) for value in (0.7, 7.0))
    assert abs(one - other).min() > 0.1


# --- gradients, precision and range -------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_gradients_are_those_of_finite_differences(name: str, options: dict[str, float]) -> None:
    d = (torch.rand(3, 4, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(hl.link(name, **options), d)
    assert torch.autograd.gradgradcheck(hl.link(name, **options), d)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("distance", [0.0, 1e-30, 1e-18, 1e18])
def test_logit_and_slope_are_finite_in_float32(
    name: str, options: dict[str, float], distance: float
) -> None:
    d = torch.tensor([distance], requires_grad=True)
    z = hl.link(name, **options)(d)
    (slope,) = torch.autograd.grad(z.sum(), d)
    assert z.isfinite().all()
    assert slope.isfinite().all()
    expected = FORMULAS[name](max(distance, floor(d.dtype)), **options)
    assert z.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_beyond_the_range_of_its_square_the_gaussian_is_minus_infinity() -> None:
    assert hl.link("gaussian")(torch.tensor(1e20)) == -math.inf


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_works_in_single_precision_or_better(
    name: str, options: dict[str, float], dtype: torch.dtype
) -> None:
    z = hl.link(name, **options)(torch.tensor([0.5, 3.0], dtype=dtype))
    assert z.dtype == torch.promote_types(dtype, torch.float32)
    expected = FORMULAS[name](np.array([0.5, 3.0]), **options)
    np.testing.assert_allclose(z.double(), expected, rtol=1e-6)


# --- in the head ----------------------------------------------------------------------------

WITHOUT_EXPONENT = ["isomax", "gaussian", "cosine_softmax"]


def head_and_inputs(**options: Any) -> tuple[hl.HarmonicHead, Tensor]:
    return hl.HarmonicHead(6, 4, **options).double(), torch.randn(5, 6, dtype=torch.float64)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_is_the_link_with_its_defaults(name: str) -> None:
    head, x = head_and_inputs(link=name)
    options = {} if name in WITHOUT_EXPONENT else {"exponent": 12.0}
    expected = FORMULAS[name](head.distance(x, head.weight).detach().numpy(), **options)
    np.testing.assert_allclose(head(x).detach(), expected, rtol=1e-12)
    assert head.exponent == options.get("exponent")


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_link_is_used_as_it_is(name: str, options: dict[str, float]) -> None:
    given_link = hl.link(name, **options)
    head, x = head_and_inputs(link=given_link)
    assert head.link is given_link
    assert head.exponent == options.get("exponent")
    expected = FORMULAS[name](head.distance(x, head.weight).detach().numpy(), **options)
    np.testing.assert_allclose(head(x).detach(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["harmonic", "student_t"])
def test_the_exponent_of_the_head_is_that_of_its_link(name: str) -> None:
    head, x = head_and_inputs(link=name, exponent=3.5)
    expected = FORMULAS[name](head.distance(x, head.weight).detach().numpy(), exponent=3.5)
    np.testing.assert_allclose(head(x).detach(), expected, rtol=1e-12)
    assert head.exponent == 3.5


@pytest.mark.parametrize("link", [*WITHOUT_EXPONENT, hl.link("harmonic", exponent=2)])
def test_an_exponent_is_refused_beside_a_link_without_a_place_for_it(link: str | hl.Link) -> None:
    with pytest.raises(ValueError, match=r"an exponent has no place beside this link, got 3\.5"):
        hl.HarmonicHead(6, 4, link=link, exponent=3.5)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_distance_that_a_link_has_by_default(name: str) -> None:
    expected = "cosine" if name == "cosine_softmax" else "euclidean"
    assert hl.HarmonicHead(6, 4, link=name).distance.spec.name == expected


def test_the_cosine_softmax_is_that_of_scaled_cosines() -> None:
    head, x = head_and_inputs(link=hl.link("cosine_softmax", tau=7.0))
    a, b = x.numpy(), head.weight.detach().numpy()
    cosines = a @ b.T / np.outer(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
    np.testing.assert_allclose(head(x).detach(), 7 * cosines, rtol=1e-12, atol=1e-14)
    y = torch.randint(4, (5,))
    expected = -np.log(softmax(7 * cosines, axis=-1)[np.arange(5), y]).mean()
    assert F.cross_entropy(head(x), y).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", ["euclidean", hl.distance("manhattan")])
@pytest.mark.parametrize("link", ["cosine_softmax", hl.link("cosine_softmax", tau=2)])
def test_the_cosine_softmax_is_refused_to_other_distances(
    distance: str | hl.Distance, link: str | hl.Link
) -> None:
    with pytest.raises(ValueError, match="cosine_softmax needs the cosine distance, got") as raised:
        hl.HarmonicHead(6, 4, distance, link=link)
    assert ("Euclidean" if distance == "euclidean" else "Manhattan") in str(raised.value)


def test_the_cosine_softmax_takes_a_cosine_distance() -> None:
    given_distance = hl.distance("cosine")
    head = hl.HarmonicHead(6, 4, given_distance, link="cosine_softmax")
    assert head.distance is given_distance


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "link=harmonic(exponent=18)"),
        ({"link": "student_t"}, "link=student_t(exponent=18, scale=1)"),
        ({"link": "isomax"}, "link=isomax(tau=10)"),
        ({"link": hl.link("gaussian", sigma=0.25)}, "link=gaussian(sigma=0.25)"),
        (
            {"link": hl.link("student_t", exponent=2, scale=0.5)},
            "link=student_t(exponent=2, scale=0.5)",
        ),
    ],
)
def test_print_shows_the_link(options: dict[str, Any], text: str) -> None:
    assert f"in_features=9, num_classes=4, {text}" in repr(hl.HarmonicHead(9, 4, **options))


@pytest.mark.parametrize("name", FORMULAS)
def test_a_head_learns_with_every_link(name: str) -> None:
    torch.manual_seed(0)
    head = hl.HarmonicHead(6, 3, link=name)
    y = torch.arange(30) % 3
    x = torch.eye(6)[y] + 0.1 * torch.randn(30, 6)
    before = F.cross_entropy(head(x), y)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(head(x), y).backward()
        optimiser.step()
    assert F.cross_entropy(head(x), y) < before / 2
    assert (head(x).argmax(-1) == y).all()
