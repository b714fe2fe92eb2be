"""The head: a module like any other, whose logits are -n log d."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, exact, name_of
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

import harmonic_lib as hl
from harmonic_lib.harmax import floor

NAMES = sorted(hl.DISTANCES)


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_logits_are_minus_n_log_d(form: hl.DistanceSpec) -> None:
    head = hl.HarmonicHead(6, 4, build(form, 6), exponent=2.5).double().eval()
    x = torch.randn(5, 6, dtype=torch.float64)
    d = exact(head.distance, x, head.weight.detach()).clip(floor(x.dtype))
    np.testing.assert_allclose(head(x).detach(), -2.5 * np.log(d), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_first_form_of_its_family(name: str) -> None:
    head = hl.HarmonicHead(6, 4, name, exponent=2.5).double()
    assert head.distance.spec is hl.DISTANCES[name]
    x = torch.randn(5, 6, dtype=torch.float64)
    d = exact(head.distance, x, head.weight.detach())
    np.testing.assert_allclose(head(x).detach(), -2.5 * np.log(d), rtol=1e-10, atol=1e-10)


def test_a_distance_that_learns_gets_its_width_and_learns_with_the_head() -> None:
    head = hl.HarmonicHead(6, 4, "mahalanobis")
    assert head.distance.dim == 6
    assert dict(head.named_parameters()).keys() == {"weight", "distance.weight"}
    F.cross_entropy(head(torch.randn(5, 6)), torch.arange(5) % 4).backward()
    for parameter in head.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (0,)])
def test_shapes(lead: tuple[int, ...]) -> None:
    assert hl.HarmonicHead(6, 4)(torch.randn(*lead, 6)).shape == (*lead, 4)


def test_the_distance_is_euclidean_by_default() -> None:
    assert hl.HarmonicHead(6, 4).distance.spec.name == "euclidean"


@pytest.mark.parametrize("size", [1, 64, 784])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_the_exponent_by_default(form: hl.DistanceSpec, size: int) -> None:
    root = form.name in ("cosine", "chebyshev") or form.form == "normalized"
    double = form.name in ("euclidean", "mahalanobis")
    head = hl.HarmonicHead(size, 4, build(form, size))
    assert head.exponent == (math.sqrt(size) if root else 2 * size if double else size)


# Not where bits are hard, which are all 0: the prototypes are below the threshold.
@pytest.mark.parametrize("form", [f for f in FORMS if f.form != "hard"], ids=name_of)
@pytest.mark.parametrize("size", [64, 512])
def test_the_spread_of_logits_by_default(form: hl.DistanceSpec, size: int) -> None:
    distance = hl.distance(form.name, **form.options, **({"dim": size} if form.learns else {}))
    head = hl.HarmonicHead(size, 100, distance).eval()
    spread = float(head(torch.randn(50, size)).detach().std(-1).mean())
    expected = {"near the origin": 0.2, "near each other": 0.1}.get(form.start)
    if expected:
        assert spread == pytest.approx(expected, rel=0.25)
    else:
        assert 0.1 < spread < 8


@pytest.mark.parametrize("name", [n for n in NAMES if hl.DISTANCES[n].start == "apart"])
def test_prototypes_of_other_distances_are_drawn_apart(name: str) -> None:
    weight = hl.HarmonicHead(400, 300, name).weight.detach()
    assert float(weight.std()) == pytest.approx(1 / 20, rel=0.02)


@pytest.mark.parametrize("name", ["euclidean", "mahalanobis"])
def test_prototypes_of_smooth_distances_are_drawn_near_the_origin(name: str) -> None:
    weight = hl.HarmonicHead(400, 300, name).weight.detach()
    assert float(weight.std()) == pytest.approx(0.1 / 20, rel=0.02)
    assert float(weight.mean()) == pytest.approx(0, abs=1e-4)


def test_prototypes_of_cosine_are_drawn_around_a_common_one() -> None:
    weight = hl.HarmonicHead(400, 300, "cosine").weight.detach()
    common = weight.mean(0)
    assert float(common.std()) == pytest.approx(1 / 20, rel=0.15)
    assert float((weight - common).std()) == pytest.approx(0.1 / 20, rel=0.02)


def test_reset_draws_them_anew() -> None:
    head = hl.HarmonicHead(6, 4)
    before = head.weight.detach().clone()
    head.reset_parameters()
    assert not torch.equal(head.weight, before)


# Where bits are hard, many prototypes are the nearest.
@pytest.mark.parametrize("form", [f for f in FORMS if f.form != "hard"], ids=name_of)
@pytest.mark.parametrize("k", [10, 40])
def test_the_nearest_prototype_is_the_answer(
    form: hl.DistanceSpec, k: int, rng: np.random.Generator
) -> None:
    head = hl.HarmonicHead(6, k, build(form, 6)).eval()
    x = rng.normal(size=(200, 6)).astype(np.float32)
    nearest = exact(head.distance, x, head.weight.detach()).argmin(-1)
    np.testing.assert_array_equal(head(torch.tensor(x)).argmax(-1), nearest)


def test_the_euclidean_answer_is_that_of_a_linear_layer_with_a_bias() -> None:
    head = hl.HarmonicHead(6, 10).double()
    x, w = torch.randn(200, 6, dtype=torch.float64), head.weight.detach()
    linear = x @ w.T - w.square().sum(1) / 2
    assert torch.equal(head(x).argmax(-1), linear.argmax(-1))


def test_a_tied_weight_is_the_same_storage_and_gets_both_gradients() -> None:
    embedding = nn.Embedding(10, 4)
    head = hl.HarmonicHead(4, 10, weight=embedding.weight)
    assert head.weight is embedding.weight
    ids = torch.tensor([1, 2])
    F.cross_entropy(head(2 * embedding(ids)), torch.tensor([3, 4])).backward()
    assert embedding.weight.grad is not None
    assert (embedding.weight.grad != 0).all()


def test_a_given_distance_is_used_as_it_is() -> None:
    class Twice(hl.Distance):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(2.0))

        def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
            return self.factor * (x.unsqueeze(-2) - w).abs().sum(-1)

    given = Twice()
    head = hl.HarmonicHead(3, 2, distance=given, exponent=1)
    assert head.distance is given
    assert dict(head.named_parameters()).keys() == {"weight", "distance.factor"}
    x = torch.randn(5, 3)
    expected = -torch.cdist(x, head.weight, p=1).log() - math.log(2)
    torch.testing.assert_close(head(x), expected)


def test_state_dict_round_trip() -> None:
    head, other = hl.HarmonicHead(6, 4), hl.HarmonicHead(6, 4)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert list(state) == ["weight", "_extra_state"]
    other.load_state_dict(state)
    x = torch.randn(5, 6)
    assert torch.equal(head(x), other(x))


STATES = {name_of(form): form for form in FORMS}


@pytest.mark.parametrize("saved", STATES)
@pytest.mark.parametrize("own", STATES)
def test_a_state_fits_a_head_of_its_own_form_alone(own: str, saved: str) -> None:
    source = hl.HarmonicHead(6, 4, build(STATES[saved], 6), exponent=3.25).eval()
    target = hl.HarmonicHead(6, 4, build(STATES[own], 6), exponent=7).eval()
    if own == saved:
        target.load_state_dict(source.state_dict())
        assert target.exponent == 3.25
        x = torch.randn(5, 6)
        assert torch.equal(target(x), source(x))
        return
    before = copy.deepcopy(target.state_dict())
    names = [STATES[own].name, STATES[saved].name]
    with pytest.raises(ValueError, match=f"{names[0]}.*{names[1]}"):
        target.load_state_dict(source.state_dict())
    assert target.exponent == 7
    for key, value in target.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize(
    ("own", "saved"),
    [
        ({"distance": hl.distance("minkowski", p=3)}, {"distance": hl.distance("minkowski", p=4)}),
        ({"link": hl.link("gaussian", sigma=1)}, {"link": hl.link("gaussian", sigma=2)}),
        ({"link": "isomax"}, {"link": "harmonic"}),
        (
            {"link": hl.link("student_t", exponent=2, scale=1)},
            {"link": hl.link("student_t", exponent=2, scale=2)},
        ),
    ],
)
def test_options_and_links_are_part_of_the_state(
    own: dict[str, Any], saved: dict[str, Any]
) -> None:
    state = hl.HarmonicHead(6, 4, **saved).state_dict()
    with pytest.raises(
        ValueError, match=r"this head has .*, and the state is that of a head with "
    ):
        hl.HarmonicHead(6, 4, **own).load_state_dict(state)


def test_a_state_in_a_network_is_found_and_refused_by_its_place() -> None:
    network = nn.Sequential(nn.Linear(6, 6), hl.HarmonicHead(6, 4, "cosine"))
    other = nn.Sequential(nn.Linear(6, 6), hl.HarmonicHead(6, 4))
    with pytest.raises(ValueError, match=r"^1 has euclidean\(\).*with cosine\(\)"):
        other.load_state_dict(network.state_dict())


def test_an_old_state_loads_with_a_warning() -> None:
    head = hl.HarmonicHead(6, 4, exponent=5)
    with pytest.warns(UserWarning, match=r"taken for one with euclidean\(\).*exponent=5"):
        head.load_state_dict({"weight": torch.ones(4, 6)})
    assert (head.weight == 1).all()


def test_a_state_that_is_none_is_named() -> None:
    state = hl.HarmonicHead(6, 4).state_dict()
    state["_extra_state"] = torch.zeros(3)
    with pytest.raises(ValueError, match="expected the settings of a harmonic head"):
        hl.HarmonicHead(6, 4).load_state_dict(state)


def test_the_exponent_can_be_set() -> None:
    head, x = hl.HarmonicHead(6, 4, exponent=2), torch.randn(5, 6)
    before = head(x)
    head.exponent = 5
    assert head.exponent == 5
    torch.testing.assert_close(head(x), 2.5 * before)
    y = torch.randint(4, (5,))
    torch.testing.assert_close(head.loss(x, y), F.cross_entropy(2.5 * before, y))


@pytest.mark.parametrize("value", [0, -1.0, math.nan, "2", None])
def test_a_wrong_exponent_changes_nothing(value: Any) -> None:
    head = hl.HarmonicHead(6, 4, exponent=2)
    with pytest.raises(ValueError, match="exponent must be a positive finite number"):
        head.exponent = value
    assert head.exponent == 2


def test_a_link_without_an_exponent_takes_none() -> None:
    head = hl.HarmonicHead(6, 4, link="isomax")
    assert head.exponent is None
    with pytest.raises(ValueError, match=r"no place in this link: isomax\(tau=10\)"):
        head.exponent = 2.0
    with pytest.raises(ValueError, match="no place in this link"):
        head.match(torch.randn(5, 6))


@pytest.mark.parametrize("form", [f for f in FORMS if f.form != "hard"], ids=name_of)
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_matched_logits_have_the_spread(form: hl.DistanceSpec, spread: float) -> None:
    head, x = hl.HarmonicHead(16, 50, build(form, 16)).eval(), 4 * torch.randn(7, 9, 16)
    assert head.match(x, spread) == head.exponent
    z = head(x).double().detach().numpy()
    assert np.std(z, axis=-1).mean() == pytest.approx(spread, rel=1e-5)


def test_many_rows_are_matched_by_some_of_them() -> None:
    head, x = hl.HarmonicHead(16, 50), torch.randn(100_000, 16)
    assert head.match(x) == pytest.approx(head.match(x[:500]), rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_features_of_unit_variance_match_the_default(name: str) -> None:
    head = hl.HarmonicHead(64, 100, name)
    before = head.exponent
    assert head.match(torch.randn(512, 64)) == pytest.approx(before, rel=0.1)


def test_features_that_are_no_tensor_are_refused() -> None:
    with pytest.raises(TypeError, match="features must be a tensor, got list"):
        hl.HarmonicHead(6, 4).match([[0.0] * 6])


def test_match_does_not_draw_the_prototypes_of_a_common_seed() -> None:
    torch.manual_seed(0)
    head = hl.HarmonicHead(64, 500, weight=nn.Embedding(500, 64).weight)
    assert head.match(torch.randn(512, 64)) == pytest.approx(128, rel=0.1)


def test_matching_does_not_depend_on_the_default_device() -> None:
    head, features = hl.HarmonicHead(6, 4), torch.randn(5, 6)
    expected = head.match(features)
    with torch.device("meta"):
        assert head.match(features) == expected


def test_long_features_need_a_larger_exponent() -> None:
    head = hl.HarmonicHead(64, 100)
    assert head.match(5 * torch.randn(512, 64)) == pytest.approx(5 * 128, rel=0.1)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.zeros(0, 6), r"match needs at least one input, got \(0, 6\)"),
        (torch.tensor(1.0), r"match needs at least one input, got \(\)"),
        (
            torch.full((5, 6), math.nan),
            "the spread of logits of these features must be a positive finite",
        ),
    ],
)
def test_features_that_tell_nothing_are_refused(features: Tensor, message: str) -> None:
    head = hl.HarmonicHead(6, 4, exponent=3)
    with pytest.raises(ValueError, match=message):
        head.match(features)
    assert head.exponent == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_head_made_without_memory_is_initialised_by_its_resets(name: str) -> None:
    with torch.device("meta"):
        head = hl.HarmonicHead(6, 400, name)
    head.to_empty(device="cpu")
    for parameter in head.parameters():
        parameter.data.fill_(math.nan)
    for module in head.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    torch.manual_seed(1)
    assert all(parameter.isfinite().all() for parameter in head.parameters())
    scale = 1 if head.distance.start == "apart" else 0.1
    assert float(head.weight.detach().std(0).mean()) == pytest.approx(scale * 6**-0.5, rel=0.1)
    if name == "mahalanobis":
        assert torch.equal(head.distance.precision.round(decimals=6), torch.eye(6))


@pytest.mark.parametrize("form", ["full", "cholesky", "diagonal"])
def test_a_reset_keeps_the_precision_that_was_given(form: str) -> None:
    precision = torch.rand(6) + 0.5 if form == "diagonal" else torch.eye(6) + 0.1
    distance = hl.distance("mahalanobis", dim=6, form=form, precision=precision)
    before = distance.precision.detach().clone()
    nn.init.normal_(distance.weight)
    distance.reset_parameters()
    assert torch.equal(distance.precision, before)


def test_device_and_dtype_are_those_of_a_linear_layer() -> None:
    head = hl.HarmonicHead(6, 4, "mahalanobis", device="meta", dtype=torch.bfloat16)
    assert {(p.device.type, p.dtype) for p in head.parameters()} == {("meta", torch.bfloat16)}


def test_sizes_are_those_of_the_weight() -> None:
    head = hl.HarmonicHead(6, 4)
    head.weight = nn.Parameter(torch.randn(9, 6))
    head.out_features = 9  # what transformers does after a resize
    assert (head.in_features, head.num_classes, head.out_features) == (6, 9, 9)
    assert head(torch.randn(2, 6)).shape == (2, 9)
    with pytest.raises(ValueError, match="the number of prototypes, 9"):
        head.out_features = 4


def test_a_deep_copy_shares_nothing() -> None:
    head = hl.HarmonicHead(6, 4)
    twin = copy.deepcopy(head)
    x = torch.randn(5, 6)
    assert torch.equal(head(x), twin(x))
    nn.init.zeros_(twin.weight)
    assert (head.weight != 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_stacked_heads_under_vmap_are_a_loop(name: str) -> None:
    heads = [hl.HarmonicHead(6, 4, name).double() for _ in range(3)]
    x = torch.randn(3, 5, 6, dtype=torch.float64)
    y = torch.randint(4, (3, 5))
    params, buffers = stack_module_state(heads)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], xs: Tensor, ys: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(heads[0], (p, b), (xs,)), ys)

    together = vmap(loss)(params, buffers, x, y)
    together.sum().backward()
    alone = torch.stack([F.cross_entropy(h(xs), ys) for h, xs, ys in zip(heads, x, y, strict=True)])
    alone.sum().backward()
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)
    gradients = torch.stack([head.weight.grad for head in heads])
    torch.testing.assert_close(params["weight"].grad, gradients, rtol=1e-10, atol=1e-14)


def test_print_shows_what_it_is() -> None:
    text = repr(hl.HarmonicHead(64, 10, "cosine"))
    assert "in_features=64, num_classes=10, link=harmonic(exponent=8)" in text
    assert "Cosine()" in text


def test_print_shows_the_form_of_the_distance_and_its_numbers() -> None:
    text = repr(hl.HarmonicHead(64, 10, hl.distance("hamming", form="gumbel", temperature=0.5)))
    assert "Hamming(gumbel, temperature=0.5, threshold=0.5)" in text
    assert "Minkowski(p >= 1, p=3)" in repr(hl.HarmonicHead(6, 4, hl.distance("minkowski", p=3)))


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "4", None])
@pytest.mark.parametrize("which", ["in_features", "num_classes"])
def test_refuses_a_size_that_is_no_positive_integer(which: str, size: object) -> None:
    sizes = {"in_features": 6, "num_classes": 4} | {which: size}
    with pytest.raises(ValueError, match=f"{which} must be a positive integer, got ") as raised:
        hl.HarmonicHead(**sizes)  # type: ignore[arg-type]
    assert repr(size) in str(raised.value)


@pytest.mark.parametrize("exponent", [0, -1.0, math.inf, math.nan, True, "2"])
def test_refuses_an_exponent_that_is_no_positive_number(exponent: object) -> None:
    with pytest.raises(ValueError, match="exponent must be a positive"):
        hl.HarmonicHead(6, 4, exponent=exponent)  # type: ignore[arg-type]


def test_an_unknown_distance_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown distance 'euclid'; did you mean 'euclidean'"):
        hl.HarmonicHead(6, 4, "euclid")


def test_an_empty_name_is_not_the_default() -> None:
    with pytest.raises(ValueError, match="unknown distance ''"):
        hl.HarmonicHead(6, 4, "")


def test_refuses_what_is_no_distance() -> None:
    with pytest.raises(TypeError, match="distance must be a name or a Distance, got type"):
        hl.HarmonicHead(6, 4, distance=hl.Distance)  # type: ignore[arg-type]


def test_refuses_a_shared_weight_that_would_not_train() -> None:
    with pytest.raises(TypeError, match=r"weight must be an nn\.Parameter, got Tensor"):
        hl.HarmonicHead(6, 4, weight=torch.zeros(4, 6))  # type: ignore[arg-type]


def test_refuses_a_shared_weight_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"weight must have shape \(4, 6\), got \(6, 4\)"):
        hl.HarmonicHead(6, 4, weight=nn.Parameter(torch.zeros(6, 4)))
