"""Every form of every distance under what PyTorch does to modules and functions."""

from __future__ import annotations

import copy
import io
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ddp_worker
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, name_of
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

import harmonic_lib as hl

N, D = 3, 5
CLASSES = (3, 40)  # few: by differences; many, in float32: Euclid's family by a matrix product
DTYPE = dict(zip(CLASSES, (torch.float64, torch.float32), strict=True))
EXPONENT = 2.0

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)
with_each_size = pytest.mark.parametrize("classes", CLASSES)


def drawn(classes: int, *lead: int, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
    """Inputs and prototypes: (*lead, N, D) and (*lead, K, D)."""
    dtype = dtype or DTYPE[classes]
    return torch.randn(*lead, N, D, dtype=dtype), torch.randn(*lead, classes, D, dtype=dtype)


def head_of(form: hl.DistanceSpec, classes: int = CLASSES[0]) -> hl.HarmonicHead:
    return hl.HarmonicHead(D, classes, distance=build(form, D), exponent=EXPONENT)


def logits_of(form: hl.DistanceSpec) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of x and w, without noise."""
    distance = build(form, D).eval()
    return lambda x, w: hl.harmonic_logits(distance(x, w), EXPONENT)


def gradient(leaf: Tensor) -> Tensor:
    """Its own copy of it."""
    assert leaf.grad is not None
    return leaf.grad.clone()


def close(one: Tensor, other: Tensor) -> None:
    rtol, atol = (1e-9, 1e-11) if one.dtype == torch.float64 else (1e-3, 1e-4)
    torch.testing.assert_close(one, other, rtol=rtol, atol=atol)


# --- torch.compile -------------------------------------------------------------------------------


def forward_and_backward(head: Any, x: Tensor) -> dict[str, Tensor]:
    """The logits of x, and the gradients of a loss in x and in all parameters."""
    head.zero_grad()
    torch.manual_seed(1)  # the same noise, where there is noise
    x = x.clone().requires_grad_()
    z = head(x)
    F.cross_entropy(z, torch.arange(len(x))).backward()
    found = {"x": x} | {name.removeprefix("_orig_mod."): p for name, p in head.named_parameters()}
    return {"logits": z.detach()} | {name: gradient(v) for name, v in found.items()}


def assert_compiled_is_eager(form: hl.DistanceSpec, classes: int, backend: str) -> None:
    head, (x, _) = head_of(form, classes), drawn(classes, dtype=torch.float32)
    eager = forward_and_backward(head, x)
    torch.compiler.reset()
    compiled = forward_and_backward(torch.compile(head, fullgraph=True, backend=backend), x)
    assert compiled.keys() == eager.keys()
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@with_each_form
def test_compiled_without_a_graph_break_it_is_the_same(form: hl.DistanceSpec) -> None:
    assert_compiled_is_eager(form, CLASSES[1], backend="aot_eager")


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="inductor needs a C++ compiler"
)
@pytest.mark.parametrize(  # the three code paths: cdist, tiles, a matrix product
    "form",
    [form for form in FORMS if name_of(form) in ("manhattan", "canberra-standard", "cosine")],
    ids=name_of,
)
def test_compiled_to_machine_code_it_is_the_same(form: hl.DistanceSpec) -> None:
    assert_compiled_is_eager(form, CLASSES[1], backend="inductor")


# --- torch.func ----------------------------------------------------------------------------------


@with_each_form
@with_each_size
def test_vmap_over_inputs_and_prototypes_is_a_loop(form: hl.DistanceSpec, classes: int) -> None:
    f, pairs = logits_of(form), drawn(classes, 4)
    leaves = [v.requires_grad_() for v in pairs]
    together = vmap(f)(*leaves)
    alone = torch.stack([f(x, w) for x, w in zip(*leaves, strict=True)])
    close(together, alone)
    weight = torch.randn_like(alone)
    for one, other in zip(
        torch.autograd.grad((weight * together).sum(), leaves),
        torch.autograd.grad((weight * alone).sum(), leaves),
        strict=True,
    ):
        close(one, other)


@with_each_form
@with_each_size
def test_vmap_over_inputs_or_prototypes_alone_is_a_loop(
    form: hl.DistanceSpec, classes: int
) -> None:
    f, (xs, ws) = logits_of(form), drawn(classes, 4)
    close(vmap(f, (0, None))(xs, ws[0]), torch.stack([f(x, ws[0]) for x in xs]))
    close(vmap(f, (None, 0))(xs[0], ws), torch.stack([f(xs[0], w) for w in ws]))


@with_each_form
@with_each_size
def test_stacked_heads_under_vmap_are_a_loop(form: hl.DistanceSpec, classes: int) -> None:
    heads = [head_of(form, classes).to(DTYPE[classes]).eval() for _ in range(4)]
    xs, y = drawn(classes, 4)[0], torch.arange(N) % classes
    parameters, buffers = stack_module_state(heads)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(heads[0], (p, b), (x,)), y)

    together = vmap(loss)(parameters, buffers, xs)
    together.sum().backward()
    alone = torch.stack([F.cross_entropy(h(x), y) for h, x in zip(heads, xs, strict=True)])
    alone.sum().backward()
    close(together, alone)
    for name, stacked in parameters.items():
        close(stacked.grad, torch.stack([gradient(head.get_parameter(name)) for head in heads]))
    assert parameters.keys() == dict(heads[0].named_parameters()).keys()


@with_each_form
@with_each_size
def test_jacrev_is_the_jacobian(form: hl.DistanceSpec, classes: int) -> None:
    f, pair = logits_of(form), drawn(classes)
    for one, other in zip(
        jacrev(f, (0, 1))(*pair), torch.autograd.functional.jacobian(f, pair), strict=True
    ):
        close(one, other)


@with_each_form
@with_each_size
def test_gradients_sample_by_sample_are_a_loop(form: hl.DistanceSpec, classes: int) -> None:
    head = head_of(form, classes).to(DTYPE[classes]).eval()
    x, y = drawn(classes)[0], torch.arange(N) % classes
    parameters = {name: p.detach() for name, p in head.named_parameters()}

    def loss(p: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(head, p, (x,)), y)

    for transform in (grad, jacrev):
        together = vmap(transform(loss), (None, 0, 0))(parameters, x, y)
        for name in parameters:
            alone = []
            for x_one, y_one in zip(x, y, strict=True):
                head.zero_grad()
                F.cross_entropy(head(x_one), y_one).backward()
                alone.append(gradient(head.get_parameter(name)))
            close(together[name], torch.stack(alone))


@with_each_form
@with_each_size
def test_the_hessian_is_the_gradient_of_the_gradient(form: hl.DistanceSpec, classes: int) -> None:
    f, pair = logits_of(form), drawn(classes)
    y = torch.arange(N) % classes

    def loss(x: Tensor, w: Tensor) -> Tensor:
        return F.cross_entropy(f(x, w), y)

    blocks = jacrev(jacrev(loss, (0, 1)), (0, 1))(*pair)
    leaves = [v.requires_grad_() for v in pair]
    first = torch.autograd.grad(loss(*leaves), leaves, create_graph=True)
    ways = [torch.randn_like(v) for v in leaves]
    second = torch.autograd.grad(first, leaves, ways)
    for i, product in enumerate(second):  # the blocks are symmetric: rows times the ways
        rows = [torch.tensordot(blocks[i][j], way, dims=way.ndim) for j, way in enumerate(ways)]
        close(sum(rows, torch.zeros_like(product)), product)


@with_each_form
def test_autocast_inside_a_transform_changes_nothing(form: hl.DistanceSpec) -> None:
    f, (xs, ws) = logits_of(form), drawn(CLASSES[1], 4, dtype=torch.float32)

    def under_autocast(x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast("cpu"):
            return f(x, w)

    assert torch.equal(vmap(under_autocast)(xs, ws), vmap(f)(xs, ws))
    assert torch.equal(jacrev(under_autocast)(xs[0], ws[0]), jacrev(f)(xs[0], ws[0]))


# --- modules -------------------------------------------------------------------------------------


def saved_and_loaded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Tensor] = torch.load(file, weights_only=True)
    return loaded


@with_each_form
def test_a_deep_copy_shares_nothing(form: hl.DistanceSpec) -> None:
    head, (x, _) = head_of(form).eval(), drawn(CLASSES[0], dtype=torch.float32)
    before, twin = head(x), copy.deepcopy(head)
    assert torch.equal(twin(x), before)
    for parameter in twin.parameters():
        nn.init.constant_(parameter, 0.25)
    assert torch.equal(head(x), before)
    assert not {p.data_ptr() for p in head.parameters()} & {p.data_ptr() for p in twin.parameters()}


@with_each_form
def test_a_state_dict_goes_through_a_file(form: hl.DistanceSpec) -> None:
    head, other = head_of(form).eval(), head_of(form).eval()
    x, _ = drawn(CLASSES[0], dtype=torch.float32)
    assert not torch.equal(head(x), other(x))
    state = saved_and_loaded(head.state_dict())
    learnt = ["distance.weight"] * (form.learns is not None)
    assert list(state) == ["weight", "_extra_state", *learnt]
    other.load_state_dict(state)
    assert torch.equal(head(x), other(x))


@with_each_form
def test_a_head_goes_through_pickle(form: hl.DistanceSpec) -> None:
    head, (x, _) = head_of(form).eval(), drawn(CLASSES[0], dtype=torch.float32)
    other = pickle.loads(pickle.dumps(head))
    assert torch.equal(head(x), other(x))
    assert repr(other) == repr(head)
    assert other.distance.spec == head.distance.spec


def all_at_once(model: nn.Module) -> list[dict[str, object]]:
    return [{"params": list(model.parameters())}]


def by_name(model: nn.Module) -> list[dict[str, object]]:
    """The groups of the released training code: weights decay, biases do not, others are lost."""
    ends = [name.rpartition(".")[2] for name, _ in model.named_parameters()]
    return [
        {"params": [p for p, end in zip(model.parameters(), ends, strict=True) if end == kind]}
        for kind in ("weight", "bias")
    ]


@with_each_form
@pytest.mark.parametrize("groups", [all_at_once, by_name])
def test_one_step_of_an_optimiser_moves_every_parameter(
    form: hl.DistanceSpec, groups: Callable[[nn.Module], list[dict[str, object]]]
) -> None:
    model = nn.Sequential(nn.Linear(4, D), head_of(form))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.AdamW(groups(model), lr=1e-2, weight_decay=0.0)
    F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % CLASSES[0]).backward()
    optimiser.step()
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not still
    assert len(before) == 3 + (form.learns is not None)


@with_each_form
@with_each_size
def test_on_the_meta_device_it_has_a_shape(form: hl.DistanceSpec, classes: int) -> None:
    head = head_of(form, classes).to("meta")
    assert head(torch.empty(2, N, D, device="meta")).shape == (2, N, classes)


# --- noise ---------------------------------------------------------------------------------------

GUMBEL = next(form for form in FORMS if form.form == "gumbel")


def test_noise_that_is_the_same_for_all_under_vmap_is_that_of_one_call() -> None:
    distance, (xs, ws) = build(GUMBEL, D).train(), drawn(CLASSES[0], 4)
    torch.manual_seed(1)
    together = vmap(distance, randomness="same")(xs, ws)
    for x, w, d in zip(xs, ws, together, strict=True):
        torch.manual_seed(1)
        close(d, distance(x, w))


def test_noise_under_vmap_has_to_be_asked_for() -> None:
    distance, pairs = build(GUMBEL, D).train(), drawn(CLASSES[0], 4)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(distance)(*pairs)
    different = vmap(distance, randomness="different")(*(v[:1].expand_as(v) for v in pairs))
    assert not torch.equal(different[0], different[1])


# --- several processes ---------------------------------------------------------------------------


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    spawn: Any = torch.multiprocessing.spawn  # type: ignore[attr-defined]
    spawn(ddp_worker.run, (tmp_path,), nprocs=ddp_worker.PROCESSES)
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in range(ddp_worker.PROCESSES)]
    for form in FORMS:
        alone = ddp_worker.gradients(*ddp_worker.head_and_batch(form))
        assert alone.keys() == {"weight"} | ({"distance.weight"} if form.learns else set())
        for found in both:
            together = found[name_of(form)]
            assert together.keys() == alone.keys()
            for name, expected in alone.items():
                torch.testing.assert_close(together[name], expected, rtol=1e-5, atol=1e-7)
