"""The released layers: their own outputs, every formula in plain NumPy, and every quirk."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from folders import FILES
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.released import LAYERS, defaults, logits, similarity

RECORDED = dict(np.load(FILES / "released_layers.npz"))
RUNS = sorted({key.rpartition("/")[0] for key in RECORDED})
GUARDED = [name for name in LAYERS if name.startswith(("hamming", "chebyshev", "canberra"))]
MAHALANOBIS = [name for name in LAYERS if name.startswith("mahalanobis")]
RELATIVE = ["euclidean", "manhattan", "cosine_stable", "cosine_unstable"]
N, K, D = 4, 3, 6


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N, D))


@pytest.fixture
def w(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(K, D))


def ours(layer: str, x: Any, w: Any, **options: Any) -> np.ndarray:
    options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    x, w = (torch.as_tensor(v, dtype=torch.float64) for v in (x, w))
    return similarity(layer, x, w, **options).numpy()


# --- what the released layers gave --------------------------------------------------------------


def test_every_layer_without_noise_or_a_factor_is_recorded() -> None:
    layers = {re.sub(r"_p\d.*", "", run.partition("/")[2]) for run in RUNS}
    assert layers == set(LAYERS) - {"hamming_gumbel", "mahalanobis_cholesky"}
    assert len(RUNS) == 2 * (len(layers) + 1)


@pytest.mark.parametrize("run", RUNS)
def test_agrees_with_the_released_layer(run: str) -> None:
    recorded = {name: torch.tensor(RECORDED[f"{run}/{name}"]) for name in ("x", "w", "y")}
    x, w = (recorded[name].requires_grad_() for name in ("x", "w"))
    layer, _, p = run.partition("/")[2].partition("_p")
    s = similarity(layer, x, w, **({"p": float(p)} if p else {}))
    loss = F.cross_entropy(logits(s, "log"), recorded["y"])
    gx, gw = torch.autograd.grad(loss, (x, w))
    for name, value, rtol, atol in (
        ("similarity", s, 1e-5, 0),
        ("loss", loss, 1e-6, 0),
        ("gx", gx, 1e-4, 1e-7),
        ("gw", gw, 1e-4, 1e-7),
    ):
        np.testing.assert_allclose(
            value.detach(), RECORDED[f"{run}/{name}"], rtol=rtol, atol=atol, err_msg=name
        )


# --- every formula, pair by pair ----------------------------------------------------------------


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def standardised(a: np.ndarray, b: np.ndarray, eps: float) -> np.ndarray:
    return abs(a - b) / (np.std(abs(a - b), ddof=1) + eps)


def shares(v: np.ndarray, eps: float, min_sum: float) -> np.ndarray:
    return (abs(v) + eps) / max(np.sum(abs(v) + eps), min_sum)


def bray_curtis(a: np.ndarray, b: np.ndarray, total: float, eps: float) -> float:
    return np.sum(abs(a - b)) / max(total + eps, 10 * eps)


def quadratic(a: np.ndarray, b: np.ndarray, precision: np.ndarray, eps: float) -> float:
    return math.sqrt(max(np.einsum("i,ij,j", a - b, precision, a - b), 0) + eps)


def softmax_mean(z: np.ndarray) -> float:
    return float(np.average(z, weights=np.exp(z)))


def cosine(a: np.ndarray, b: np.ndarray, eps: float) -> float:
    return 1 - a @ b / (math.sqrt(a @ a) * math.sqrt(b @ b) + eps)


def standard_precision(p0: np.ndarray, eps: float, reg: float) -> np.ndarray:
    ridge = p0 + reg * np.eye(len(p0))
    return (ridge + ridge.T) / 2 + 10 * eps * np.eye(len(p0))


def cholesky_precision(theta: np.ndarray, eps: float) -> np.ndarray:
    low = np.tril(theta)
    np.fill_diagonal(low, np.maximum(np.diag(theta), eps))
    return low @ low.T + eps * np.eye(len(theta))


# layer -> distance of two vectors, with the options spelled out
FORMULAS: dict[str, Callable[..., float]] = {
    "euclidean": lambda a, b, eps: float(np.sum((a - b) ** 2)),
    "manhattan": lambda a, b, eps: np.sum(abs(a - b)),
    "cosine_stable": lambda a, b, eps: cosine(a, b, 0),
    "cosine_unstable": cosine,
    "minkowski": lambda a, b, eps, p: (np.sum((abs(a - b) + eps) ** p) + eps) ** (1 / p),
    "hamming_soft": lambda a, b, eps, temperature: np.sum(
        abs(sigmoid(a / temperature) - sigmoid(b / temperature))
    ),
    "hamming_gumbel": lambda a, b, eps, temperature: np.sum(
        abs(sigmoid(a / temperature) - sigmoid(b / temperature))
    ),
    "hamming_hard": lambda a, b, eps, temperature, threshold: np.sum(
        (a > threshold) != (b > threshold)
    ),
    "chebyshev_standard": lambda a, b, eps: softmax_mean(standardised(a, b, eps)),
    "chebyshev_smooth": lambda a, b, eps, alpha: (
        math.log(np.sum(np.exp(np.minimum(alpha * standardised(a, b, eps), 50)))) / alpha
    ),
    "canberra_standard": lambda a, b, eps: np.sum(abs(a - b) / np.maximum(abs(a) + abs(b), eps)),
    "canberra_robust": lambda a, b, eps, min_denom: np.sum(
        abs(a - b) / np.maximum(abs(a) + abs(b), min_denom)
    ),
    "canberra_weighted": lambda a, b, eps, weight_power: np.average(
        abs(a - b) / (abs(a) + abs(b) + eps), weights=(abs(a) + abs(b) + eps) ** weight_power
    ),
    "bray_curtis_standard": lambda a, b, eps: bray_curtis(a, b, abs(np.sum(a + b)), eps),
    "bray_curtis_abs": lambda a, b, eps: bray_curtis(a, b, np.sum(abs(a) + abs(b)), eps),
    "bray_curtis_normalized": lambda a, b, eps, min_sum: bray_curtis(
        shares(a, eps, min_sum),
        shares(b, eps, min_sum),
        float(np.sum(shares(a, eps, min_sum) + shares(b, eps, min_sum))),
        eps,
    ),
    "mahalanobis_standard": lambda a, b, eps, precision, reg_lambda: quadratic(
        a, b, standard_precision(precision, eps, reg_lambda), eps
    ),
    "mahalanobis_diagonal": lambda a, b, eps, precision: quadratic(
        a, b, np.diag(np.exp(np.clip(precision, -10, 10)) + eps), eps
    ),
    "mahalanobis_cholesky": lambda a, b, eps, precision: quadratic(
        a, b, cholesky_precision(precision, eps), eps
    ),
}


def by_formula(layer: str, x: np.ndarray, w: np.ndarray, n: float, **options: Any) -> np.ndarray:
    d = np.array([[FORMULAS[layer](a, b, **options) for b in w] for a in x]) + options["eps"]
    return (d / d.min(1, keepdims=True) if layer in RELATIVE else d) ** -n


STANDARD = {"n": 1.0, "eps": 1e-4}
THETA = np.array([0.3, -0.2, 1.0, -20.0, 0.0, 20.0])
MATRIX = np.random.default_rng(1).normal(size=(D, D)) + 2 * np.eye(D)
# Each layer with the released defaults, spelled out here, and with others.
CASES: dict[str, list[dict[str, Any]]] = {
    "minkowski": [{"p": 1.5}, {"p": 1.0}, {"p": 2.0}, {"p": 0.5, "n": 3.0, "eps": 0.01}],
    "hamming_soft": [{"temperature": 1.0}, {"temperature": 0.2}, {"temperature": 7.0}],
    "hamming_gumbel": [{"temperature": 0.5}, {"temperature": 3.0}],
    "hamming_hard": [
        {"temperature": 0.1, "threshold": 0.5},
        {"temperature": 2.0, "threshold": -0.3},
    ],
    "chebyshev_smooth": [{"alpha": 10.0}, {"alpha": 1.0}, {"alpha": 20.0}],
    "canberra_robust": [{"min_denom": 0.01}, {"min_denom": 1.5}],
    "canberra_weighted": [{"weight_power": 0.5}, {"weight_power": 1.0}, {"weight_power": -2.0}],
    "bray_curtis_standard": [{"eps": 1e-3}, {"eps": 0.3}],
    "bray_curtis_abs": [{"eps": 1e-3}, {"eps": 3.0}],
    "bray_curtis_normalized": [
        {"eps": 1e-3, "min_sum": 0.01},
        {"eps": 1e-3, "min_sum": 5.0},
        {"eps": 0.2, "min_sum": 2.0},
    ],
    "mahalanobis_standard": [
        {"precision": 1.01 * np.eye(D), "reg_lambda": 0.01},
        {"precision": 1.5 * np.eye(D), "reg_lambda": 0.5},
        {"precision": MATRIX, "reg_lambda": 0.2},
    ],
    "mahalanobis_diagonal": [{"precision": np.zeros(D)}, {"precision": THETA}],
    "mahalanobis_cholesky": [
        {"precision": 0.1 * np.eye(D)},
        {"precision": MATRIX},
        {"precision": -MATRIX, "eps": 0.02},
    ],
}


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (layer, STANDARD | case | power)
        for layer in LAYERS
        for case in CASES.get(layer, [{}, {"eps": 0.5}])
        for power in ({}, {"n": 2.5})
    ],
)
def test_agrees_with_its_formula(
    layer: str, options: dict[str, Any], x: np.ndarray, w: np.ndarray
) -> None:
    expected = by_formula(layer, x, w, **options)
    np.testing.assert_allclose(ours(layer, x, w, **options), expected, rtol=1e-10)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_defaults_are_the_released_values(layer: str, x: np.ndarray, w: np.ndarray) -> None:
    expected = by_formula(layer, x, w, **(STANDARD | CASES.get(layer, [{}])[0]))
    np.testing.assert_allclose(ours(layer, x, w), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("layer", "option"),
    [(layer, option) for layer in LAYERS for option in defaults(layer) if option != "generator"],
)
def test_every_option_has_an_effect(layer: str, option: str, x: np.ndarray, w: np.ndarray) -> None:
    other = {"n": 2.0, "eps": 0.1, "p": 2.5, "temperature": 2.0, "threshold": 0.0, "alpha": 3.0}
    other |= {"min_denom": 0.9, "weight_power": 1.0, "min_sum": 50.0, "reg_lambda": 0.5}
    other |= {"training": True, "precision": THETA if layer.endswith("diagonal") else MATRIX}
    changed = ours(layer, x, w, **{option: other[option]})
    if (layer, option) == ("hamming_hard", "temperature"):  # of the gradient only
        np.testing.assert_array_equal(changed, ours(layer, x, w))
        assert not torch.equal(slope(layer, x, w), slope(layer, x, w, temperature=2.0))
    else:
        assert abs(changed / ours(layer, x, w) - 1).max() > 1e-3


@pytest.mark.parametrize(
    ("layer", "option", "given", "counts_as"),
    [
        ("minkowski", "eps", 0.0, 1e-6),
        *((layer, "eps", 0.0, 1e-8) for layer in GUARDED + MAHALANOBIS),
        *((f"bray_curtis_{form}", "eps", 0.0, 1e-6) for form in ("standard", "abs", "normalized")),
        *((f"hamming_{form}", "temperature", 0.01, 0.1) for form in ("soft", "gumbel", "hard")),
        ("chebyshev_smooth", "alpha", 0.1, 1.0),
        ("chebyshev_smooth", "alpha", 99.0, 20.0),
        ("canberra_robust", "min_denom", 0.0, 1e-8),
        ("bray_curtis_normalized", "min_sum", 0.0, 0.01),
        ("mahalanobis_standard", "reg_lambda", 0.0, 1e-4),
        ("mahalanobis_diagonal", "precision", np.full(D, 12.0), np.full(D, 10.0)),
        ("mahalanobis_diagonal", "precision", np.full(D, -12.0), np.full(D, -10.0)),
        ("mahalanobis_cholesky", "precision", -np.eye(D), 1e-4 * np.eye(D)),
        ("mahalanobis_cholesky", "precision", MATRIX, np.tril(MATRIX)),
    ],
)
def test_an_option_out_of_range_counts_as_the_nearest_one(
    layer: str, option: str, given: Any, counts_as: Any, x: np.ndarray, w: np.ndarray
) -> None:
    if layer.startswith(("canberra", "bray_curtis")):
        x, w = 1e-9 * x, 1e-9 * w  # where the bound is felt
    elif option == "eps":
        x = w[:1]
    elif option == "temperature":
        x, w = 0.01 * x + 0.5, 0.01 * w + 0.5
    same = ours(layer, x, w, **{option: counts_as})
    np.testing.assert_array_equal(ours(layer, x, w, **{option: given}), same)


@pytest.mark.parametrize("layer", ["euclidean", "manhattan", "cosine_stable", "cosine_unstable"])
def test_eps_has_no_bound_where_the_released_layer_has_none(layer: str) -> None:
    near, far = [[1.0, 2.0]], [[1.0, 2.0 + 1e-3]]
    tiny, none = (ours(layer, near, near + far, eps=eps)[0, 1] for eps in (1e-12, 1e-6))
    assert tiny < none / 10


@pytest.mark.parametrize("layer", sorted(set(LAYERS) - {"hamming_hard"}))
def test_gradients_are_those_of_finite_differences(
    layer: str, x: np.ndarray, w: np.ndarray
) -> None:
    inputs = [torch.tensor(v, requires_grad=True) for v in (x, w)]
    if layer in MAHALANOBIS:
        inputs.append(torch.tensor(MATRIX if "diag" not in layer else THETA, requires_grad=True))

    def compute(x: Tensor, w: Tensor, *precision: Tensor) -> Tensor:
        return similarity(layer, x, w, **({"precision": precision[0]} if precision else {}))

    assert torch.autograd.gradcheck(compute, inputs, atol=1e-6, rtol=1e-5)


# --- noise, thresholds, guards ------------------------------------------------------------------


def test_without_training_gumbel_is_soft(x: np.ndarray, w: np.ndarray) -> None:
    soft = ours("hamming_soft", x, w, temperature=0.5)
    np.testing.assert_array_equal(ours("hamming_gumbel", x, w), soft)
    np.testing.assert_array_equal(ours("hamming_gumbel", x, w, generator=torch.Generator()), soft)


def test_in_training_x_and_w_get_one_gumbel_variable_each(x: np.ndarray, w: np.ndarray) -> None:
    noise = torch.Generator().manual_seed(3)
    u, v = (torch.rand(a.shape, generator=noise, dtype=torch.float64).numpy() for a in (x, w))
    soft = ours("hamming_soft", x - np.log(-np.log(u)), w - np.log(-np.log(v)), temperature=0.5)
    noisy = [
        ours("hamming_gumbel", x, w, training=True, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    np.testing.assert_allclose(noisy[0], soft, rtol=1e-10)
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert abs(noisy[0] / noisy[2] - 1).min() > 1e-3


def test_the_noise_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape, dtype=torch.float64))
    noisy = ours("hamming_gumbel", [[9.0]], [[11.0]], training=True)
    np.testing.assert_array_equal(noisy, ours("hamming_gumbel", [[-1.0]], [[1.0]]))


def slope(layer: str, x: Any, w: Any, **options: Any) -> Tensor:
    x, w = (torch.as_tensor(v, dtype=torch.float64).clone() for v in (x, w))
    (gradient,) = torch.autograd.grad(
        similarity(layer, x.requires_grad_(), w, **options).sum(), x, allow_unused=True
    )
    return gradient


def test_hard_bits_have_the_gradient_of_soft_bits() -> None:
    z, temperature, eps = 0.7, 0.4, 1e-4
    assert ours("hamming_hard", [[z]], [[-9.0]]) == pytest.approx(1 / (1 + eps))
    p = 1 / (1 + math.exp(-z / temperature))  # of z, not of z - threshold
    bit_slope = p * (1 - p) / temperature
    found = slope("hamming_hard", [[z]], [[-9.0]], temperature=temperature)
    assert float(found) == pytest.approx(-bit_slope / (1 + eps) ** 2)


def test_a_bit_is_one_above_the_threshold_only() -> None:
    assert ours("hamming_hard", [[0.5]], [[0.4], [0.6]])[0] == pytest.approx([1e4, 1 / 1.0001])


def test_rounding_sets_the_gradient_of_equal_hard_bits() -> None:
    z = torch.tensor([0.51, 0.55, 0.6, 0.7, 0.9])
    soft = torch.sigmoid(z / 0.1).numpy()
    residual = (np.float32(1) + soft) - soft
    assert (residual != 1).any()
    np.testing.assert_array_equal(released.layers.hard_bits(z, 0.1, 0.5), residual)


@pytest.mark.parametrize(
    ("layer", "bad"),
    [
        *((layer, math.nan) for layer in GUARDED),
        *((layer, math.inf) for layer in GUARDED if "hamming" not in layer),  # a soft bit of 1
    ],
)
def test_one_bad_entry_makes_a_guarded_layer_uniform(
    layer: str, bad: float, x: np.ndarray, w: np.ndarray
) -> None:
    x[0, 0] = bad
    s = similarity(layer, torch.tensor(x, requires_grad=True), torch.tensor(w))
    assert torch.equal(s, torch.full((N, K), 1 / K, dtype=torch.float64))
    assert not s.requires_grad


@pytest.mark.parametrize("layer", GUARDED + MAHALANOBIS)
def test_so_does_a_power_that_overflows(layer: str) -> None:
    x = torch.randn(3, 16)
    assert torch.equal(similarity(layer, x, x, n=100), torch.full((3, 3), 1 / 3))


@pytest.mark.parametrize("layer", MAHALANOBIS)
def test_one_bad_entry_makes_every_mahalanobis_distance_one(
    layer: str, x: np.ndarray, w: np.ndarray
) -> None:
    x[0, 0] = math.nan
    np.testing.assert_allclose(ours(layer, x, w, n=2), np.full((N, K), (1 + 1e-4) ** -2))


@pytest.mark.parametrize("layer", sorted(set(LAYERS) - {*GUARDED, *MAHALANOBIS}))
def test_the_others_have_no_guard(layer: str, x: np.ndarray, w: np.ndarray) -> None:
    x[0, 0] = math.nan
    s = ours(layer, x, w)
    assert np.isnan(s[0]).all()
    assert np.isfinite(s[1:]).all()


@pytest.mark.parametrize(
    ("layer", "farthest"),
    [
        ("canberra_standard", 1 / (2 + 1e-4)),  # each feature gives 1 at most
        ("bray_curtis_standard", 1e-6),  # 2e9 / 0.01, held at 1e6
        ("mahalanobis_diagonal", 1e-6),
        ("minkowski", 1 / (2e9 ** (2 / 3) + 1e-4)),  # each gap counts as 1e6 at most
    ],
)
def test_a_distance_is_held_below_a_million(layer: str, farthest: float) -> None:
    assert ours(layer, [[1e9, -1e9]], [[0.0, 0.0]]).item() == pytest.approx(farthest, rel=1e-6)


# --- the quirks ---------------------------------------------------------------------------------


def test_the_exponent_of_euclid_acts_twice(x: np.ndarray, w: np.ndarray) -> None:
    d = hl.distance("euclidean")(torch.tensor(x), torch.tensor(w))
    harmax = hl.harmax(d, 2 * 3.0).numpy()
    s = ours("euclidean", x, w, n=3, eps=0)
    np.testing.assert_allclose(s / s.sum(1, keepdims=True), harmax, rtol=1e-9)


@pytest.mark.parametrize("layer", RELATIVE)
def test_the_nearest_prototype_has_similarity_one(layer: str, x: np.ndarray, w: np.ndarray) -> None:
    assert (ours(layer, x, w, n=3).max(1) == 1).all()


@pytest.mark.parametrize("layer", ["cosine_stable", "cosine_unstable"])
def test_a_zero_vector_is_as_close_to_every_prototype(layer: str, w: np.ndarray) -> None:
    np.testing.assert_array_equal(ours(layer, np.zeros((1, D)), w), np.ones((1, K)))
    assert slope(layer, np.zeros((1, D)), w).isfinite().all()


def test_rounding_can_make_a_squared_distance_negative() -> None:
    # |x|^2 is the square of a rounded root here, 2^21 (1 - 2^-24), and x.x is 2^21
    x = torch.full((1, 2), 1024.0)
    s = similarity("euclidean", x, torch.cat([x, 0 * x]))
    assert s[0, 0] == 1
    assert s[0, 1] < 0


@pytest.mark.parametrize("layer", ["chebyshev_standard", "chebyshev_smooth"])
def test_chebyshev_is_blind_to_scale(layer: str, x: np.ndarray, w: np.ndarray) -> None:
    small, large = (ours(layer, scale * x, scale * w, eps=0) for scale in (1e-2, 1e2))
    np.testing.assert_allclose(small, large, rtol=1e-5)


def test_smooth_chebyshev_saturates_at_five() -> None:
    w = np.zeros((1, 100))
    s, larger = (ours("chebyshev_smooth", gap * np.eye(1, 100), w).item() for gap in (1, 3))
    assert s == pytest.approx(1 / (5 + 1e-4), rel=1e-6)
    assert s == pytest.approx(larger, rel=1e-9)
    assert not slope("chebyshev_smooth", np.eye(1, 100), w)[0, 0]


def test_bray_curtis_of_signed_features_exceeds_one() -> None:
    d = 1 / ours("bray_curtis_standard", [[1.0, -1.0]], [[0.5, -0.5]]).item()
    assert d == pytest.approx(1 / 0.01 + 1e-3)


def test_canberra_does_not_tell_prototypes_apart_for_features_of_zero(w: np.ndarray) -> None:
    zero = np.zeros((1, D))
    np.testing.assert_allclose(ours("canberra_standard", zero, w), 1 / (D + 1e-4))
    tied = torch.tensor(w, requires_grad=True)
    similarity("canberra_standard", torch.tensor(zero), tied).sum().backward()
    np.testing.assert_allclose(tied.grad, 0, atol=1e-12)


def test_canberra_with_weights_of_power_one_is_bray_curtis(x: np.ndarray, w: np.ndarray) -> None:
    canberra = ours("canberra_weighted", x, w, weight_power=1.0, eps=1e-6)
    np.testing.assert_allclose(canberra, ours("bray_curtis_abs", x, w, eps=1e-6), rtol=1e-5)


def test_a_negative_form_counts_as_zero_and_gets_no_gradient(x: np.ndarray, w: np.ndarray) -> None:
    negative = {"precision": -2 * np.eye(D)}
    s = ours("mahalanobis_standard", x, w, **negative)
    np.testing.assert_allclose(s, 1 / (0.01 + 1e-4))
    assert not slope("mahalanobis_standard", x, w, precision=torch.tensor(-2 * np.eye(D))).any()


# --- from similarities to logits ----------------------------------------------------------------


def test_log_gives_the_harmonic_logits() -> None:
    s = torch.tensor([[1.0, 0.25, 1e-12]], dtype=torch.float64)
    expected = [[0.0, math.log(0.25), math.log(1e-8)]]
    np.testing.assert_allclose(logits(s, "log"), expected, rtol=1e-12)


def test_negative_makes_the_farthest_prototype_win(x: np.ndarray, w: np.ndarray) -> None:
    s = similarity("euclidean", torch.tensor(x), torch.tensor(w))
    assert torch.equal(logits(s, "negative"), -s)
    d = hl.distance("euclidean")(torch.tensor(x), torch.tensor(w))
    assert torch.equal(logits(s, "negative").argmax(1), d.argmax(1))
    assert torch.equal(logits(s, "log").argmax(1), d.argmin(1))


@pytest.mark.parametrize(("classes", "best"), [(10, 0.232), (100, 0.0267)])
def test_negative_has_a_ceiling(classes: int, best: float) -> None:
    # the label's prototype infinitely far, all others equally near
    w = 1e6 * torch.eye(classes, 1, dtype=torch.float64)
    x = torch.full((1, 1), 1e-3, dtype=torch.float64)
    p = logits(similarity("euclidean", x, w), "negative").softmax(-1)[0, 0]
    assert float(p) == pytest.approx(1 / (1 + (classes - 1) / math.e), rel=1e-6)
    assert float(p) == pytest.approx(best, rel=2e-3)


def test_floored_is_the_log_of_a_share_plus_a_hundredth() -> None:
    s = torch.tensor([[3.0, 1.0, 0.0, 1e9]], dtype=torch.float64)
    clamped = np.array([3.0, 1.0, 1e-8, 1e8])
    expected = np.log(np.minimum(clamped / clamped.sum() + 0.01 / 4, 1))
    np.testing.assert_allclose(logits(s, "floored")[0], expected, rtol=1e-12)
    assert logits(torch.ones(1, 1), "floored").item() == 0  # 1.01 counts as 1


@pytest.mark.parametrize(("vocabulary", "floor"), [(50_304, -15.39), (151_936, -16.41)])
def test_floored_has_a_floor(vocabulary: int, floor: float) -> None:
    s = torch.zeros(vocabulary, dtype=torch.float64)
    s[0] = 1
    assert float(logits(s, "floored").log_softmax(-1)[1]) == pytest.approx(floor, abs=0.005)


@pytest.mark.parametrize("conversion", ["log", "floored"])
@pytest.mark.parametrize(("ratio", "learns"), [(1.0242, True), (1.0243, False)])
def test_below_the_floor_a_prototype_learns_nothing(
    conversion: str, ratio: float, learns: bool
) -> None:
    s = torch.tensor([1.0, ratio**-768], dtype=torch.float64, requires_grad=True)
    logits(s, conversion)[1].backward()
    assert s.grad is not None
    assert bool(s.grad[1]) == learns


# --- who may use it, and how not to ---------------------------------------------------------------


def test_only_what_the_audit_needs_imports_it() -> None:
    audit = {"chapters", "released"}
    package = Path(released.__file__).parents[1]
    importing = re.compile(r"^\s*(from|import)\b.*\breleased\b", re.MULTILINE)
    assert importing.search("from harmonic_lib import released, data")
    users = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in audit
        and importing.search(path.read_text(encoding="utf-8"))
    ]
    assert users == []


def test_the_library_does_not_load_it_and_it_needs_torch_alone() -> None:
    code = (
        "import sys, harmonic_lib; before = set(sys.modules); from harmonic_lib import released; "
        "print(*before, '|', *set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before, added = (part.split() for part in printed.split("|"))
    assert "harmonic_lib.released" not in before
    assert "harmonic_lib.released" in added
    assert {name.partition(".")[0] for name in added} <= {"harmonic_lib", "torch"}


def test_refuses_an_unknown_layer() -> None:
    message = "unknown released layer 'hamming_sof'; did you mean 'hamming_soft'?"
    for refused in (lambda: ours("hamming_sof", [[1.0]], [[1.0]]), lambda: defaults("hamming_sof")):
        with pytest.raises(ValueError, match=re.escape(message)):
            refused()


@pytest.mark.parametrize(
    ("layer", "option", "message"),
    [
        (
            "hamming_soft",
            "temprature",
            "unknown hamming_soft option 'temprature'; did you mean 'temperature'? "
            "(valid: n, eps, temperature)",
        ),
        ("hamming_soft", "threshold", "unknown hamming_soft option 'threshold'"),
        ("canberra_standard", "min_denom", "unknown canberra_standard option 'min_denom'"),
        ("chebyshev_standard", "alpha", "unknown chebyshev_standard option 'alpha'"),
        ("euclidean", "p", "unknown euclidean option 'p'"),
    ],
)
def test_refuses_an_option_that_the_layer_does_not_have(
    layer: str, option: str, message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        ours(layer, [[1.0]], [[1.0]], **{option: 1.0})


@pytest.mark.parametrize(
    ("x", "w"), [((4, 3), (5, 2)), ((3,), (5, 3)), ((4, 3), (3,)), ((2, 4, 3), (5, 3))]
)
def test_refuses_shapes_that_do_not_fit(x: tuple[int, ...], w: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"with the same D, got {x} and {w}")):
        similarity("manhattan", torch.ones(x), torch.ones(w))


@pytest.mark.parametrize("layer", MAHALANOBIS)
def test_refuses_a_precision_of_another_shape(layer: str) -> None:
    shape = "(3,)" if layer.endswith("diagonal") else "(3, 3)"
    with pytest.raises(
        ValueError, match=re.escape(f"precision must have shape {shape}, got (2, 4)")
    ):
        similarity(layer, torch.ones(1, 3), torch.ones(2, 3), precision=torch.ones(2, 4))


def test_refuses_an_unknown_conversion() -> None:
    message = "unknown conversion 'logs'; did you mean 'log'? (valid: log, negative, floored)"
    with pytest.raises(ValueError, match=re.escape(message)):
        logits(torch.ones(1, 2), "logs")
