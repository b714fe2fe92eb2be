"""The worst of inputs, for every form of every distance, in every precision: nothing overflows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, exact, name_of
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.distances.engine import FEW

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
HALVES = [torch.bfloat16, torch.float16]
PRECISIONS = ["plain", "autocast"]
N, D = 4, 8
EXPONENT = math.sqrt(D)
CLASSES = (3, 40)  # few: by differences; many: Euclid's family by one matrix product
assert CLASSES[0] <= FEW < CLASSES[1]

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)
with_each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
with_each_half = pytest.mark.parametrize("dtype", HALVES, ids=str)
with_each_precision = pytest.mark.parametrize("precision", PRECISIONS)
with_each_size = pytest.mark.parametrize("classes", CLASSES)


# --- the matrix: cases -------------------------------------------------------------------------

Pair = tuple[Tensor, Tensor]


def coincident(x: Tensor, w: Tensor) -> Pair:
    return torch.cat([w[:1], x[1:]]), w


def duplicate_prototypes(x: Tensor, w: Tensor) -> Pair:
    return x, torch.cat([w[:1], w[:1], w[2:]])


def on_duplicate_prototypes(x: Tensor, w: Tensor) -> Pair:
    return duplicate_prototypes(*coincident(x, w))


def zero_x(x: Tensor, w: Tensor) -> Pair:
    return torch.cat([0 * x[:1], x[1:]]), w


def zero_w(x: Tensor, w: Tensor) -> Pair:
    return x, torch.cat([0 * w[:1], w[1:]])


def zero_x_and_w(x: Tensor, w: Tensor) -> Pair:
    return zero_x(*zero_w(x, w))


def all_zero(x: Tensor, w: Tensor) -> Pair:
    return 0 * x, 0 * w


def all_equal(x: Tensor, w: Tensor) -> Pair:
    return torch.ones_like(x), torch.ones_like(w)


def opposite(x: Tensor, w: Tensor) -> Pair:
    return torch.cat([-w[:1], x[1:]]), w


def one_class(x: Tensor, w: Tensor) -> Pair:
    return x, w[:1]


def one_input(x: Tensor, w: Tensor) -> Pair:
    return x[:1], w


def no_batch_axis(x: Tensor, w: Tensor) -> Pair:
    return x[0], w


def one_dimension(x: Tensor, w: Tensor) -> Pair:
    return x[:, :1], w[:, :1]


def empty_batch(x: Tensor, w: Tensor) -> Pair:
    return x[:0], w


SCALES = (1e-18, 1e-9, 1e-3, 1e3, 1e9, 1e18)


def scaled(scale: float) -> Callable[[Tensor, Tensor], Pair]:
    return lambda x, w: (scale * x, scale * w)


CASES: dict[str, Callable[[Tensor, Tensor], Pair]] = {
    "x = w_k": coincident,
    "duplicate prototypes": duplicate_prototypes,
    "x on duplicate prototypes": on_duplicate_prototypes,
    "a zero x": zero_x,
    "a zero w": zero_w,
    "a zero x and a zero w": zero_x_and_w,
    "all zero": all_zero,
    "all vectors equal": all_equal,
    "x = -w_k": opposite,
    "K = 1": one_class,
    "N = 1": one_input,
    "no batch axis": no_batch_axis,
    "D = 1": one_dimension,
    "empty batch": empty_batch,
} | {f"scale {scale:g}": scaled(scale) for scale in SCALES}

# Where float16 has no such inputs, because they are infinite, there is nothing to compute.
# Scales below its range stay in the matrix: there the inputs are zeros.
UNREPRESENTABLE = [
    (torch.float16, case, classes) for case in ("scale 1e+09", "scale 1e+18") for classes in CLASSES
]


def every_cell(dtype: torch.dtype) -> list[tuple[str, int]]:
    """What each form is tried on in one dtype: the case and the number of prototypes."""
    return [
        (case, classes)
        for case, classes in product(CASES, CLASSES)
        if not (case == "K = 1" and classes != CLASSES[0])  # it has a number of its own
        and (dtype, case, classes) not in UNREPRESENTABLE
    ]


@cache
def inputs(dtype: torch.dtype, case: str, classes: int) -> Pair:
    """The x and w of a cell, drawn and changed in float64 and then rounded: always the same."""
    drawn = torch.randn(
        N + classes, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    x, w = CASES[case](drawn[:N], drawn[N:])
    return x.to(dtype), w.to(dtype)


def context(dtype: torch.dtype, precision: str) -> torch.autocast:
    """Autocast to the half precision at hand, or none."""
    half = dtype if dtype in HALVES else torch.bfloat16
    return torch.autocast("cpu", dtype=half, enabled=precision == "autocast")


def logits(distance: hl.Distance, x: Tensor, w: Tensor, dtype: torch.dtype, how: str) -> Tensor:
    with context(dtype, how):
        return hl.harmonic_logits(distance(x, w), EXPONENT)


def loss_and_gradients(
    distance: hl.Distance, x: Tensor, w: Tensor, how: str, targets: tuple[int, ...]
) -> dict[str, Tensor]:
    """The logits, the loss of these classes in turn, its gradients in x, w and parameters."""
    distance.zero_grad()
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    z = logits(distance, x, w, x.dtype, how)
    with context(x.dtype, how):
        loss = torch.stack(
            [
                F.cross_entropy(z, torch.full(z.shape[:-1], y), reduction="sum").double()
                for y in targets
            ]
        ).sum()
    loss.backward()
    leaves = {"x": x, "w": w} | dict(distance.named_parameters())
    gradients = {f"gradient in {name}": leaf.grad for name, leaf in leaves.items()}
    absent = [name for name, gradient in gradients.items() if gradient is None]
    assert not absent, absent
    return {"logits": z, "loss": loss} | {name: g for name, g in gradients.items() if g is not None}


# --- the matrix: its cells -----------------------------------------------------------------------


def test_no_cell_of_the_matrix_is_missing() -> None:
    assert {form.name for form in FORMS} == set(hl.DISTANCES)
    assert len(FORMS) >= 19
    assert len(CASES) == 20
    cells = {dtype: len(every_cell(dtype)) for dtype in DTYPES}
    assert cells == {
        torch.float64: 39,  # 19 cases with few and with many prototypes, and K = 1
        torch.float32: 39,
        torch.bfloat16: 39,
        torch.float16: 35,
    }
    assert len(UNREPRESENTABLE) == 4


def test_the_inputs_of_every_cell_are_finite_and_those_left_out_are_not() -> None:
    for dtype in DTYPES:
        for cell in every_cell(dtype):
            assert all(v.isfinite().all() for v in inputs(dtype, *cell)), (dtype, cell)
    for dtype, case, classes in UNREPRESENTABLE:
        assert any(v.isinf().any() for v in inputs(dtype, case, classes)), (dtype, case)


@with_each_form
@with_each_dtype
@with_each_precision
def test_logits_loss_and_gradients_are_finite_and_of_their_shape(
    form: hl.DistanceSpec, dtype: torch.dtype, precision: str
) -> None:
    wrong = []
    for case, classes in every_cell(dtype):
        x, w = inputs(dtype, case, classes)
        values = loss_and_gradients(build(form, x.shape[-1]), x, w, precision, (0, len(w) - 1))
        wrong += [
            f"{case} (of {classes} prototypes): the {name} is not finite"
            for name, value in values.items()
            if not value.isfinite().all()
        ]
        if (shape := values["logits"].shape) != (*x.shape[:-1], len(w)):
            wrong.append(f"{case} (of {classes} prototypes): the logits are {tuple(shape)}")
    assert not wrong, f"{name_of(form)}, {dtype}, {precision}: " + "; ".join(wrong)


# --- the right limits ----------------------------------------------------------------------------


def apart(classes: int, dtype: torch.dtype) -> Tensor:
    """Prototypes no two of which have the same bits, as Hamming reads them."""
    codes = torch.randperm(2**D)[:classes].unsqueeze(-1) >> torch.arange(D) & 1
    return (0.5 + (2 * codes - 1) * (0.25 + torch.rand(classes, D))).to(dtype)


def test_prototypes_apart_have_bits_that_differ() -> None:
    bits = apart(CLASSES[1], torch.float16) > 0.5
    assert len(bits.unique(dim=0)) == CLASSES[1]


@with_each_form
@with_each_dtype
@with_each_precision
def test_a_coincident_class_gets_all_the_probability(
    form: hl.DistanceSpec, dtype: torch.dtype, precision: str
) -> None:
    for classes, training in product(CLASSES, (True, False)):
        w, distance = apart(classes, dtype), build(form, D).train(training)
        p = logits(distance, w, w, dtype, precision).softmax(-1)
        assert torch.equal(p, torch.eye(classes, dtype=p.dtype)), (classes, training)


@with_each_form
@with_each_dtype
@with_each_precision
def test_two_equal_prototypes_share_the_probability(
    form: hl.DistanceSpec, dtype: torch.dtype, precision: str
) -> None:
    for classes, training in product(CLASSES, (True, False)):
        x, w = on_duplicate_prototypes(apart(1, dtype), apart(classes, dtype))
        distance = build(form, D).train(training)
        p = logits(distance, x, w, dtype, precision).softmax(-1)
        half = torch.tensor([[0.5, 0.5] + [0.0] * (classes - 2)], dtype=p.dtype)
        torch.testing.assert_close(p, half)


@with_each_form
@pytest.mark.parametrize("classes", [3, 12, 40, 200])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_any_number_of_equal_prototypes_share_the_probability(
    form: hl.DistanceSpec, classes: int, dtype: torch.dtype
) -> None:
    equal, w = min(9, classes), apart(classes, dtype)
    w = torch.cat([w[:1].expand(equal, D), w[equal:]])
    x, distance = w[:1], build(form, D)
    share = torch.tensor([1 / equal] * equal + [0.0] * (classes - equal), dtype=dtype)
    torch.testing.assert_close(hl.harmax(distance(x, w), EXPONENT)[0], share)
    everywhere = torch.full((1, classes), 1 / classes, dtype=dtype)
    for same in (x, 0 * x):  # all vectors are equal
        d = distance(same, same.expand(classes, D))
        torch.testing.assert_close(hl.harmax(d, EXPONENT), everywhere)


@with_each_form
@with_each_dtype
@with_each_precision
def test_an_input_on_its_prototype_has_neither_loss_nor_gradient(
    form: hl.DistanceSpec, dtype: torch.dtype, precision: str
) -> None:
    for classes, training in product(CLASSES, (True, False)):
        w, distance = apart(classes, dtype), build(form, D).train(training)
        values = loss_and_gradients(distance, w[:1], w, precision, (0,))
        del values["logits"]
        for name, value in values.items():
            assert (value == 0).all(), (name, classes, training)


# --- half and mixed precision --------------------------------------------------------------------


@with_each_form
@with_each_half
@with_each_size
def test_half_input_is_computed_in_float32(
    form: hl.DistanceSpec, dtype: torch.dtype, classes: int
) -> None:
    x, w = torch.randn(N, D).to(dtype), torch.randn(classes, D).to(dtype)
    distance = build(form, D).eval()
    d = distance(x, w)
    assert d.dtype == torch.float32
    np.testing.assert_allclose(d.detach(), exact(distance, x.double(), w.double()), 1e-5, 1e-7)


@with_each_form
@with_each_half
@with_each_size
def test_autocast_changes_nothing(form: hl.DistanceSpec, dtype: torch.dtype, classes: int) -> None:
    x, w, distance = torch.randn(N, D), torch.randn(classes, D), build(form, D)

    def differentiated(enabled: bool) -> tuple[Tensor, ...]:
        torch.manual_seed(1)  # the same noise, where there is noise
        leaves = [v.detach().clone().requires_grad_() for v in (x, w)]
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            d = distance(*leaves)
        return d, *torch.autograd.grad(d.log().sum(), [*leaves, *distance.parameters()])

    plain, under = differentiated(False), differentiated(True)
    assert under[0].dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(plain, under, strict=True))


@with_each_form
@with_each_size
def test_mixed_precision_is_computed_in_the_finer_one(form: hl.DistanceSpec, classes: int) -> None:
    x, w, distance = torch.randn(N, D).half(), torch.randn(classes, D).double(), build(form, D)
    distance.eval()
    assert distance(x, w).dtype == torch.float64
    assert distance(w, x).dtype == torch.float64
    assert distance(x, w.bfloat16()).dtype == torch.float32
    assert torch.equal(distance(x, w), distance(x.double(), w))


def test_a_distance_by_matrix_product_is_safe_from_autocast() -> None:
    class Product(hl.Distance):
        def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
            return x @ w.T

    x, w = torch.randn(N, D), torch.randn(3, D)
    with torch.autocast("cpu"):
        product = Product()(x, w)
    torch.testing.assert_close(product.double(), x.double() @ w.double().T, rtol=1e-5, atol=1e-6)
