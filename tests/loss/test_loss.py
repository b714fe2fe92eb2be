"""The loss in chunks of rows: the number, the gradients and the memory, against the dense one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, name_of
from hypothesis import given, settings
from largest import Largest
from torch import Tensor, nn
from torch.func import functional_call

import harmonic_lib as hl
from harmonic_lib.distances import pairwise
from harmonic_lib.harmax import floor
from harmonic_lib.loss import chunks

N, D = 30, 24
CLASSES = (5, 300)  # few; many: matrix products for Euclid, cosine and Mahalanobis
EXPONENT = 3.0
ONE_ROW = 1e-9  # megabytes, so that each chunk is one row

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)
with_each_size = pytest.mark.parametrize("classes", CLASSES)

# The three ways of the code: matrix products; logits of chunks; those in the backward pass.
WAYS = [("euclidean", "mean"), ("manhattan", "sum"), ("manhattan", "none"), ("euclidean", "none")]
with_each_way = pytest.mark.parametrize(("name", "reduction"), WAYS)

Batch = tuple[Tensor, Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def drawn(classes: int, dtype: torch.dtype = torch.float32) -> Batch:
    """Inputs, prototypes, and classes."""
    x, w = torch.randn(N, D, dtype=dtype), torch.randn(classes, D, dtype=dtype)
    return x, w, torch.randint(classes, (N,))


def loss_and_gradients(loss: Loss, x: Tensor, w: Tensor, distance: nn.Module) -> list[Tensor]:
    """The loss, and the gradients in x, w and the parameters of the distance."""
    x, w = (v.detach().clone().requires_grad_() for v in (x, w))
    value = loss(x, w)
    return [value.detach(), *torch.autograd.grad(value, [x, w, *distance.parameters()])]


def in_chunks(distance: hl.Distance, y: Tensor, **options: Any) -> Loss:
    return lambda x, w: hl.harmonic_cross_entropy(x, w, y, distance, EXPONENT, **options)


def dense(distance: hl.Distance, y: Tensor, **options: Any) -> Loss:
    return lambda x, w: F.cross_entropy(hl.harmonic_logits(distance(x, w), EXPONENT), y, **options)


def in_float64(distance: hl.Distance, x: Tensor, w: Tensor, y: Tensor) -> list[Tensor]:
    """The dense loss and gradients, where a distance of 0 counts as the floor of float32."""
    distance, least = copy.deepcopy(distance).double(), floor(torch.float32)
    return loss_and_gradients(
        lambda x, w: F.cross_entropy(-EXPONENT * distance(x, w).clamp_min(least).log(), y),
        x.double(),
        w.double(),
        distance,
    )


def assert_as_good(ours: list[Tensor], theirs: list[Tensor], exact: list[Tensor]) -> None:
    """To 1e-6, gradients to 1e-5, or at most half as far off again as the others are."""
    for i, (one, other, truth) in enumerate(zip(ours, theirs, exact, strict=True)):
        assert one.dtype == other.dtype
        error, allowed = ((v.double() - truth).norm() for v in (one, other))
        small = (1e-6 if i == 0 else 1e-5) * truth.norm()
        assert error <= torch.maximum(small, 1.5 * allowed), f"number {i}: {error} of {small}"


def close(one: list[Tensor], other: list[Tensor]) -> None:
    for a, b in zip(one, other, strict=True):
        rtol = 1e-9 if a.dtype == torch.float64 else 1e-4
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol / 10)


# --- the number and its gradients ----------------------------------------------------------------


def plain(classes: int) -> Batch:
    return drawn(classes)


def far_from_zero(classes: int) -> Batch:
    x, w, y = drawn(classes)
    return x + 5, w + 5, y


def on_its_prototype(classes: int) -> Batch:
    x, w, y = drawn(classes)
    w[y[0]] = x[0]
    return x, w, y


def on_a_wrong_prototype(classes: int) -> Batch:
    x, w, y = drawn(classes)
    w[(y[0] + 1) % classes] = x[0]
    return x, w, y


def equal_prototypes(classes: int) -> Batch:
    x, w, y = drawn(classes)
    w[1], w[-2:], y[:3] = w[0], w[0], 0
    return x, w, y


def vectors_of_zeros(classes: int) -> Batch:
    x, w, y = drawn(classes)
    x[:2], w[2], y[0], y[1] = 0, 0, 2, 3
    return x, w, y


def near_their_prototypes(classes: int) -> Batch:
    x, w, y = drawn(classes)
    return w[y] + 0.3 * x, w, y


def in_two_clusters(classes: int) -> Batch:
    """Half of all pairs are near."""
    x, w, y = drawn(classes)
    centres = torch.randn(2, D)
    pick = torch.arange(max(N, classes)) % 2
    return centres[pick[:N]] + 0.1 * x, centres[pick[:classes]] + 0.1 * w, y


SCENES = [
    plain,
    far_from_zero,
    on_its_prototype,
    on_a_wrong_prototype,
    equal_prototypes,
    vectors_of_zeros,
    near_their_prototypes,
    in_two_clusters,
]


@with_each_form
@with_each_size
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_is_the_dense_loss(
    form: hl.DistanceSpec, classes: int, scene: Callable[[int], Batch]
) -> None:
    distance = build(form, D).eval()  # float64 draws another noise
    x, w, y = scene(classes)
    ours, theirs = (loss_and_gradients(f(distance, y), x, w, distance) for f in (in_chunks, dense))
    assert_as_good(ours, theirs, in_float64(distance, x, w, y))


@with_each_form
@with_each_size
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_good_as_dense(
    form: hl.DistanceSpec, classes: int, dtype: torch.dtype
) -> None:
    distance = build(form, D).eval()
    x, w, y = drawn(classes)
    x, w = x.to(dtype), w.to(dtype)
    ours, theirs = (loss_and_gradients(f(distance, y), x, w, distance) for f in (in_chunks, dense))
    assert [v.dtype for v in ours[:3]] == [torch.float32, dtype, dtype]
    assert_as_good(ours, theirs, in_float64(distance, x, w, y))


@with_each_form
@with_each_size
def test_autocast_changes_nothing(form: hl.DistanceSpec, classes: int) -> None:
    distance = build(form, D).eval()
    x, w, y = drawn(classes)

    def under_autocast(x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return in_chunks(distance, y, reduction="none")(x, w)

    without = in_chunks(distance, y, reduction="none")
    found, expected = (
        loss_and_gradients(lambda x, w, f=f: f(x, w).sum(), x, w, distance)
        for f in (under_autocast, without)
    )
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert found[0].dtype == torch.float32


@pytest.mark.parametrize("scale", [1e-18, 1e18])
@pytest.mark.parametrize("name", ["euclidean", "cosine", "mahalanobis"])
def test_products_stay_within_the_range(name: str, scale: float) -> None:
    distance = hl.distance(name, **({"dim": D} if name == "mahalanobis" else {}))
    x, w, y = drawn(CLASSES[1])
    unscaled = loss_and_gradients(in_chunks(distance, y), x, w, distance)
    x, w = scale * x, scale * w
    found = loss_and_gradients(in_chunks(distance, y), x, w, distance)
    close([found[0], *(scale * v for v in found[1:3]), *found[3:]], unscaled)


def test_one_prototype_far_away_costs_the_others_no_digits() -> None:
    distance = hl.distance("euclidean")
    x, w, y = near_their_prototypes(CLASSES[1])
    far = next(k for k in range(len(w)) if k not in y)
    w[far] *= 1e4
    ours, theirs = (loss_and_gradients(f(distance, y), x, w, distance) for f in (in_chunks, dense))
    assert_as_good(ours, theirs, in_float64(distance, x, w, y))


def test_the_exponent_by_default_is_that_of_the_head() -> None:
    x, w, y = drawn(CLASSES[1])
    cosine = hl.harmonic_cross_entropy(x, w, y, "cosine")
    of_root = hl.harmonic_cross_entropy(x, w, y, "cosine", exponent=D**0.5)
    torch.testing.assert_close(cosine, of_root)
    d = torch.cdist(x.double(), w.double())
    expected = F.cross_entropy(-2 * D * d.log(), y).float()
    torch.testing.assert_close(hl.harmonic_cross_entropy(x, w, y), expected)


@pytest.mark.parametrize(
    ("name", "classes", "way"),
    [
        ("euclidean", 2, "product"),
        ("euclidean", 17, "product"),
        ("cosine", 17, "product"),
        ("mahalanobis", 17, "product"),
        ("manhattan", 17, "eager"),
    ],
)
def test_distances_that_are_products_take_products(name: str, classes: int, way: str) -> None:
    distance = build(hl.DISTANCES[name], D)
    x, w, y = drawn(classes)
    with hl.engine() as ran:
        in_chunks(distance, y)(x, w)
    assert ran == {way}


LINKS: list[tuple[str, str, dict[str, float]]] = [
    (distance, name, options)
    for distance in ("euclidean", "cosine", "manhattan")
    for name, options in (
        ("isomax", {"tau": 0.7}),
        ("gaussian", {"sigma": 3.0}),
        ("student_t", {"exponent": 2.5, "scale": 2.0}),
        ("cosine_softmax", {"tau": 3.0}),
    )
    if name != "cosine_softmax" or distance == "cosine"
]


@pytest.mark.parametrize(("distance", "name", "options"), LINKS)
@with_each_size
def test_every_link(distance: str, name: str, options: dict[str, float], classes: int) -> None:
    head = hl.HarmonicHead(D, classes, distance, link=hl.link(name, **options)).double()
    x, _, y = drawn(classes, torch.float64)
    x.requires_grad_()
    leaves = [x, *head.parameters()]
    ours, theirs = head.loss(x, y, max_mb=1e-2), F.cross_entropy(head(x), y)
    close([ours], [theirs])
    close(*(list(torch.autograd.grad(loss, leaves)) for loss in (ours, theirs)))


# --- shapes and options --------------------------------------------------------------------------

SHAPES = st.lists(st.integers(0, 4), max_size=3)
IGNORED = (-100, -1, 0, 3)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "seed": draw(st.integers(0, 1000)),
        "lead": tuple(draw(SHAPES)),
        "classes": draw(st.sampled_from([1, 2, 5, 17, 33])),
        "dim": draw(st.integers(1, 7)),
        "share": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "ignore_index": draw(st.sampled_from(IGNORED)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "max_mb": draw(st.sampled_from([None, ONE_ROW, 1e-3])),
        "weighted": draw(st.booleans()),
        "soft": draw(st.booleans()),
    }


@pytest.mark.parametrize("name", ["euclidean", "cosine", "mahalanobis", "canberra"])
@given(call=calls())
@settings(max_examples=50)
def test_shapes_and_options_are_those_of_cross_entropy(name: str, call: dict[str, Any]) -> None:
    torch.manual_seed(call["seed"])
    lead, classes, max_mb = call["lead"], call["classes"], call["max_mb"]
    distance = build(hl.DISTANCES[name], call["dim"]).double()
    x = torch.randn(*lead, call["dim"], dtype=torch.float64)
    w = torch.randn(classes, call["dim"], dtype=torch.float64)
    if call["soft"]:
        y = torch.rand(*lead, classes, dtype=torch.float64).softmax(-1)
        counted = torch.ones(lead, dtype=torch.bool)
    else:
        y = torch.randint(classes, lead)
        y[torch.rand(lead) < call["share"]] = call["ignore_index"]
        counted = y != call["ignore_index"]
    options = {key: call[key] for key in ("ignore_index", "label_smoothing", "reduction")}
    options["weight"] = torch.rand(classes, dtype=torch.float64) if call["weighted"] else None
    if call["soft"]:
        del options["ignore_index"]
    weights = torch.randn(lead if call["reduction"] == "none" else (), dtype=torch.float64)

    def theirs(x: Tensor, w: Tensor) -> Tensor:
        logits = hl.harmonic_logits(distance(x, w), EXPONENT).reshape(-1, classes)
        loss = F.cross_entropy(logits, y.reshape(-1, *y.shape[len(lead) :]), **options)
        assert loss.isfinite().all() or not counted.any()
        return (weights * loss.reshape(weights.shape)).sum()

    def ours(x: Tensor, w: Tensor) -> Tensor:
        loss = in_chunks(distance, y, max_mb=max_mb, **options)(x, w)
        assert loss.shape == weights.shape
        return (weights * loss).sum()

    found, expected = (loss_and_gradients(f, x, w, distance) for f in (ours, theirs))
    if not counted.any():  # then gradients are 0, and not 0 / 0
        torch.testing.assert_close(found[0], expected[0], equal_nan=True)
        assert found[0].isnan() == (call["reduction"] == "mean")
        assert all(not v.nan_to_num().any() for v in found[1:])
    else:
        close(found, expected)


@pytest.mark.parametrize("name", ["euclidean", "mahalanobis", "manhattan"])
def test_a_replica_of_data_parallel_has_the_gradients_of_its_tensors(name: str) -> None:
    head, x, y = hl.HarmonicHead(8, 40, name), torch.randn(9, 8), torch.randint(40, (9,))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    head.loss(x, y).backward()
    copies = {name: p.detach().clone().requires_grad_() for name, p in head.named_parameters()}
    replicate(head, copies).loss(x, y).backward()
    for name, parameter in head.named_parameters():
        torch.testing.assert_close(copies[name].grad, parameter.grad)


def replicate(head: nn.Module, tensors: dict[str, Tensor], prefix: str = "") -> Any:
    """What ``nn.parallel.replicate`` makes for a device: plain tensors in the place of parameters.
    It needs a GPU; this does the same steps."""
    replica = head._replicate_for_data_parallel()
    replica._former_parameters = {}
    for name in [name for name, own in head._parameters.items() if own is not None]:
        setattr(replica, name, tensors[prefix + name])
        replica._former_parameters[name] = tensors[prefix + name]
    for name, module in head.named_children():
        setattr(replica, name, replicate(module, tensors, f"{prefix}{name}."))
    return replica


@pytest.mark.parametrize("name", ["euclidean", "canberra"])
def test_soft_labels_of_certainty_are_classes(name: str) -> None:
    head, x, y = hl.HarmonicHead(8, 40, name), torch.randn(5, 3, 8), torch.randint(40, (5, 3))
    torch.testing.assert_close(head.loss(x, F.one_hot(y, 40).float()), head.loss(x, y))


@pytest.mark.parametrize(
    ("dtype", "classes"), [(torch.uint8, 256), (torch.uint8, 200), (torch.int8, 128)]
)
def test_classes_may_be_of_a_narrow_type(dtype: torch.dtype, classes: int) -> None:
    x, w, y = torch.randn(300, 4), torch.randn(classes, 4), torch.arange(300) % classes
    found = hl.harmonic_cross_entropy(x, w, y.to(dtype), reduction="none")
    assert torch.equal(found, hl.harmonic_cross_entropy(x, w, y, reduction="none"))
    assert (found != 0).all()


@pytest.mark.parametrize(("reduction", "expected"), [("mean", torch.nan), ("sum", 0.0)])
@pytest.mark.parametrize("name", ["euclidean", "manhattan"])
@with_each_size
def test_without_a_class_there_is_no_loss(
    name: str, classes: int, reduction: str, expected: float
) -> None:
    x, w, y = drawn(classes)
    y.fill_(-100)
    for rows in (slice(None), slice(0)):
        loss = in_chunks(hl.distance(name), y[rows], reduction=reduction)(x[rows], w)
        torch.testing.assert_close(loss, torch.tensor(expected), equal_nan=True)


@with_each_form
@with_each_size
@pytest.mark.parametrize("max_mb", [None, ONE_ROW, 0.02])
def test_each_row_may_have_a_weight_of_its_own(
    form: hl.DistanceSpec, classes: int, max_mb: float | None
) -> None:
    distance = build(form, D).double().eval()
    x, w, y = drawn(classes, torch.float64)
    y[::4] = -100
    upstream = torch.randn(N, dtype=torch.float64)
    ours = in_chunks(distance, y, reduction="none", label_smoothing=0.1, max_mb=max_mb)
    theirs = dense(distance, y, reduction="none", label_smoothing=0.1)
    assert (ours(x, w)[::4] == 0).all()
    close([ours(x, w)], [theirs(x, w)])
    close(
        *(
            loss_and_gradients(lambda x, w, f=f: (upstream * f(x, w)).sum(), x, w, distance)
            for f in (ours, theirs)
        )
    )


@with_each_form
@with_each_size
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_ignored_inputs_may_hold_anything(
    form: hl.DistanceSpec, classes: int, reduction: str
) -> None:
    distance = build(form, D).eval()
    x, w, y = drawn(classes)
    y[:3] = -1
    options = {"ignore_index": -1, "reduction": reduction}
    loss = in_chunks(distance, y, **options)
    clean = loss_and_gradients(lambda x, w: loss(x, w).sum(), x, w, distance)
    x[0], x[1], x[2] = torch.nan, torch.inf, 1e38
    found = loss_and_gradients(lambda x, w: loss(x, w).sum(), x, w, distance)
    assert all(v.isfinite().all() for v in found)
    assert (found[1][:3] == 0).all()
    close(found, clean)


@pytest.fixture
def _poisoned() -> Iterator[None]:
    """New memory is full of NaN."""
    mode = torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.set_deterministic_debug_mode(mode)


@pytest.mark.usefixtures("_poisoned")
@with_each_form
@with_each_size
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("max_mb", [None, 0.02])
def test_no_number_is_read_before_it_is_written(
    form: hl.DistanceSpec, classes: int, reduction: str, max_mb: float | None
) -> None:
    assert torch.empty(1).isnan()
    distance = build(form, D).eval()
    x, w, y = on_its_prototype(classes)
    y[5] = -100
    ours, theirs = (
        loss_and_gradients(lambda x, w, f=f: f(x, w).sum(), x, w, distance)
        for f in (
            in_chunks(distance, y, reduction=reduction, max_mb=max_mb),
            dense(distance, y, reduction=reduction),
        )
    )
    assert all(v.isfinite().all() for v in ours)
    close(ours, theirs)


# --- in training ---------------------------------------------------------------------------------


def head_and_batch(name: str, classes: int = CLASSES[1]) -> tuple[hl.HarmonicHead, Tensor, Tensor]:
    head = hl.HarmonicHead(D, classes, build(hl.DISTANCES[name], D), EXPONENT).double()
    x, _, y = drawn(classes, torch.float64)
    return head, x, y


def test_tied_weights_have_the_gradients_of_both_uses() -> None:
    embedding = nn.Embedding(CLASSES[1], D).double()
    head = hl.HarmonicHead(D, CLASSES[1], exponent=EXPONENT, weight=embedding.weight)
    y = torch.randint(CLASSES[1], (N,))
    gradients = []
    for loss in (head.loss, lambda x, y: F.cross_entropy(head(x), y)):
        embedding.zero_grad()
        loss(embedding(y).tanh(), y.flip(0)).backward()
        gradients.append([v.grad for v in (embedding.weight,) if v.grad is not None])
    close(*gradients)


@with_each_way
def test_gradients_add_up(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    for part in (slice(10), slice(10, None)):
        head.loss(x[part], y[part], reduction=reduction).sum().backward()
    halves = [v.grad.clone() for v in head.parameters() if v.grad is not None]
    head.zero_grad()
    parts = [F.cross_entropy(head(x[p]), y[p], reduction=reduction).sum()
             for p in (slice(10), slice(10, None))]  # fmt: skip
    sum(parts).backward()  # type: ignore[union-attr]
    close(halves, [v.grad for v in head.parameters() if v.grad is not None])


@with_each_way
def test_a_graph_that_is_kept_gives_the_same_again(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    leaves = list(head.parameters())
    loss = head.loss(x, y, reduction=reduction).sum()
    first, second = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@with_each_way
def test_a_loss_may_be_weighted(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    once, thrice = (
        torch.autograd.grad(factor * head.loss(x, y, reduction=reduction).sum(), head.weight)
        for factor in (1, 3)
    )
    close([3 * once[0]], [thrice[0]])


@with_each_way
def test_without_gradients_it_is_the_same(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    expected = head.loss(x, y, reduction=reduction)
    assert expected.requires_grad
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            loss = head.loss(x, y, reduction=reduction)
        assert not loss.requires_grad
        close([loss], [expected.detach()])


@pytest.mark.parametrize("name", ["mahalanobis", "euclidean", "manhattan"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@with_each_size
def test_only_what_needs_a_gradient_gets_one(name: str, reduction: str, classes: int) -> None:
    distance = build(hl.DISTANCES[name], D).double()
    x, w, y = drawn(classes, torch.float64)
    leaves = {"x": x, "w": w, **dict(distance.named_parameters())}
    ours, theirs = (f(distance, y, reduction=reduction) for f in (in_chunks, dense))
    for wanted in leaves:
        for key, leaf in leaves.items():
            leaf.requires_grad_(key == wanted)
            leaf.grad = None
        theirs(x, w).sum().backward()
        expected = leaves[wanted].grad
        assert expected is not None
        leaves[wanted].grad = None
        ours(x, w).sum().backward()
        assert [key for key, leaf in leaves.items() if leaf.grad is not None] == [wanted]
        close([leaves[wanted].grad], [expected])  # type: ignore[list-item]


class Model(nn.Module):
    """A model whose output is its loss."""

    def __init__(self, head: hl.HarmonicHead, reduction: str) -> None:
        super().__init__()
        self.linear = nn.Linear(4, D)
        self.head = head
        self.reduction = reduction

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head.loss(self.linear(x), y, reduction=self.reduction)


@pytest.mark.parametrize("name", ["mahalanobis", "manhattan"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@with_each_size
def test_a_functional_call_has_its_own_parameters(name: str, reduction: str, classes: int) -> None:
    head, _, y = head_and_batch(name, classes)
    model = Model(head, reduction).double()
    x = torch.randn(N, 4, dtype=torch.float64)
    other = {
        key: (v + torch.randn_like(v) / 3).detach().requires_grad_()
        for key, v in model.named_parameters()
    }
    loss = functional_call(model, other, (x, y)).sum()
    found = torch.autograd.grad(loss, list(other.values()))  # when the call has ended
    model.load_state_dict(other)
    expected = F.cross_entropy(head(model.linear(x)), y, reduction=reduction).sum()
    close([loss.detach(), *found], [expected.detach(),
          *torch.autograd.grad(expected, list(model.parameters()))])  # fmt: skip


@with_each_way
def test_a_parameter_may_not_change_before_the_backward_pass(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    loss = head.loss(x, y, reduction=reduction).sum()
    with torch.no_grad():
        head.weight.mul_(2)
    if reduction == "none":
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    else:  # the gradient is there already
        loss.backward()


@with_each_way
def test_the_gradient_has_no_gradient(name: str, reduction: str) -> None:
    head, x, y = head_and_batch(name)
    loss = head.loss(x, y, reduction=reduction).sum()
    with pytest.raises(RuntimeError, match=r"cannot be differentiated again; .* F.cross_entropy"):
        torch.autograd.grad(loss, head.weight, create_graph=True)


@pytest.mark.parametrize("name", ["euclidean", "canberra", "mahalanobis"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_compiled_model_has_the_same_loss(name: str, reduction: str) -> None:
    head, _, y = head_and_batch(name)
    model = Model(head, reduction).double()
    x = torch.randn(N, 4, dtype=torch.float64)
    torch.compiler.reset()
    found = []
    for each in (model, torch.compile(model, backend="eager")):
        loss = each(x, y).sum()
        found.append([loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))])
    close(*found)


# --- noise ---------------------------------------------------------------------------------------


@with_each_size
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_all_chunks_have_the_noise_of_one_call(classes: int, reduction: str) -> None:
    head = hl.HarmonicHead(D, classes, hl.distance("hamming", form="gumbel"), EXPONENT).double()
    x, _, y = drawn(classes, torch.float64)
    x.requires_grad_()
    upstream = torch.randn(N if reduction == "none" else (), dtype=torch.float64)
    found, states = [], []
    for loss in (
        lambda: head.loss(x, y, reduction=reduction, max_mb=ONE_ROW),
        lambda: F.cross_entropy(head(x), y, reduction=reduction),
    ):
        torch.manual_seed(1)
        value = loss()
        torch.rand(())  # what others draw before the backward pass
        gradients = torch.autograd.grad((upstream * value).sum(), [x, head.weight])
        found.append([value.detach(), *gradients])
        states.append(torch.get_rng_state())
    close(*found)
    assert torch.equal(*states)


def test_two_calls_have_noise_of_their_own() -> None:
    head = hl.HarmonicHead(D, 40, hl.distance("hamming", form="gumbel"), EXPONENT)
    x, y = torch.randn(N, D), torch.randint(40, (N,))
    assert head.loss(x, y, max_mb=ONE_ROW) != head.loss(x, y, max_mb=ONE_ROW)
    head.eval()
    assert head.loss(x, y, max_mb=ONE_ROW) == head.loss(x, y, max_mb=ONE_ROW)


# --- memory --------------------------------------------------------------------------------------


@with_each_form
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_never_holds_all_rows_and_classes(
    form: hl.DistanceSpec, reduction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, k, d = 30, 30, 4
    monkeypatch.setattr(pairwise, "BUDGET", 2**7)
    distance, x, w = build(form, d), torch.randn(n, d), torch.randn(k, d)
    w[: k // 2] = 0.1 * w[: k // 2] + 3  # a cluster, whose pairs are near
    x[: n // 2] = 0.1 * x[: n // 2] + 3
    loss = in_chunks(distance, torch.randint(k, (n,)), reduction=reduction, max_mb=ONE_ROW)
    with Largest() as largest:
        loss_and_gradients(lambda x, w: loss(x, w).sum(), x, w, distance)
    allowed = n * 2 * d  # inputs, which full Mahalanobis transforms into 2D
    assert n * d <= largest.numbers <= allowed < n * k


@pytest.mark.parametrize("name", ["euclidean", "manhattan", "canberra"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_megabytes_are_kept(name: str, reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    n, k, d = 128, 256, 4
    monkeypatch.setattr(pairwise, "BUDGET", 2**11)
    distance, x, w = build(hl.DISTANCES[name], d), torch.randn(n, d), torch.randn(k, d)
    y, held = torch.randint(k, (n,)), []
    for max_mb in (0.25, 0.0625):
        loss = in_chunks(distance, y, reduction=reduction, max_mb=max_mb)
        with Largest() as largest:
            loss_and_gradients(lambda x, w, f=loss: f(x, w).sum(), x, w, distance)
        assert 4 * largest.numbers <= max_mb * 2**20
        held.append(largest.numbers)
    assert held[0] > held[1]  # the megabytes are used, too


def test_near_pairs_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    distance = build(hl.DISTANCES["mahalanobis"], D).double()
    x, w, y = (v.double() if v.is_floating_point() else v for v in in_two_clusters(40))
    whole = loss_and_gradients(in_chunks(distance, y), x, w, distance)
    for most in (1, 7):
        monkeypatch.setattr(chunks, "PAIRS", most)
        close(loss_and_gradients(in_chunks(distance, y), x, w, distance), whole)


# --- bad input -----------------------------------------------------------------------------------

X, W, Y = torch.zeros(2, D), torch.zeros(3, D), torch.tensor([0, 2])
FLOATING = "must be a floating-point tensor, got torch.int64"
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"y": Y.float()}, TypeError, "y must hold classes, which are integers, got torch.float32"),
    ({"y": Y.bool()}, TypeError, "y must hold classes, which are integers, got torch.bool"),
    ({"y": [0, 2]}, TypeError, "y must be a tensor, got list"),
    ({"y": Y[:1]}, ValueError, r"y \(2,\) for x \(2, 24\), got y \(1,\)"),
    ({"y": F.one_hot(Y)}, ValueError, r"y \(2,\) for x \(2, 24\), got y \(2, 3\)"),
    ({"y": Y + 1}, ValueError, "from 0 to 2, or -100 to ignore, got 3"),
    ({"y": Y - 1, "ignore_index": 2}, ValueError, "from 0 to 2, or 2 to ignore, got -1"),
    ({"y": Y - 100}, ValueError, "from 0 to 2, or -100 to ignore, got -98"),
    ({"reduction": "men"}, ValueError, r"unknown reduction 'men'; did you mean 'mean'\?"),
    ({"reduction": None}, ValueError, r"unknown reduction None .valid: mean, sum, none"),
    ({"y": torch.rand(2, 4)}, ValueError, r"y \(2, 3\) for x \(2, 24\), got y \(2, 4\)"),
    ({"weight": torch.ones(4)}, ValueError, r"weight must be 3 numbers .* got \(4,\)"),
    ({"weight": torch.tensor([1.0, 1, -1])}, ValueError, "no number below 0, got -1"),
    ({"weight": [1.0] * 3}, TypeError, "weight must be a floating-point tensor, got list"),
    ({"label_smoothing": 1.1}, ValueError, r"label_smoothing must be in \[0, 1\], got 1.1"),
    ({"label_smoothing": -0.1}, ValueError, "label_smoothing must be a non-negative .* got -0.1"),
    ({"label_smoothing": torch.nan}, ValueError, "label_smoothing must be .* got nan"),
    ({"max_mb": 0}, ValueError, "max_mb must be a positive finite number, got 0"),
    ({"max_mb": -1.0}, ValueError, "max_mb must be a positive finite number, got -1.0"),
    ({"max_mb": "64"}, ValueError, "max_mb must be a positive finite number, got '64'"),
    ({"x": X.long()}, TypeError, f"x {FLOATING}"),
    ({"x": X[:, 1:]}, ValueError, r"got x \(2, 23\) and w \(3, 24\)"),
]
BAD_IN_THE_FUNCTION: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"w": W.long()}, TypeError, f"w {FLOATING}"),
    ({"x": [[0.0] * D] * 2}, TypeError, "x must be a tensor, got list"),
    ({"distance": "euclidian"}, ValueError, "unknown distance 'euclidian'; did you mean 'eucl"),
    ({"distance": 2}, TypeError, "distance must be a name or a Distance, got int"),
    ({"exponent": 0}, ValueError, "exponent must be a positive finite number, got 0"),
    ({"exponent": -1.0}, ValueError, "exponent must be a positive finite number, got -1.0"),
    ({"exponent": torch.inf}, ValueError, "exponent must be a positive finite number, got inf"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD + BAD_IN_THE_FUNCTION)
def test_bad_input_of_the_function(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hl.harmonic_cross_entropy(**({"x": X, "w": W, "y": Y} | change))


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_input_of_the_head(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hl.HarmonicHead(D, 3).loss(**({"x": X, "y": Y} | change))
