"""How arithmetic over all pairs is done: what is chosen, and that compiled loops are the same."""

from __future__ import annotations

import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from forms import FORMS, build, name_of
from largest import Largest
from torch import Tensor
from torch.func import jacrev, vmap

import harmonic_lib as hl
from harmonic_lib.distances import compiled, engine, pairwise
from harmonic_lib.distances.canberra import SumOfRatios, WeightedMean
from harmonic_lib.distances.chebyshev import LogMeanExp, Ratios, Worst
from harmonic_lib.distances.formula import Formula
from harmonic_lib.distances.minkowski import PowerSum
from harmonic_lib.distances.pairwise import Norm, every_pair

PRODUCTS = ("euclidean", "cosine", "mahalanobis")

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)


def with_forms(*names: str) -> pytest.MarkDecorator:
    chosen = [form for form in FORMS if name_of(form) in names]
    assert len(chosen) == len(names)
    return pytest.mark.parametrize("form", chosen, ids=name_of)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles, of which there are several."""
    monkeypatch.setattr(compiled, "TILE", 64)
    monkeypatch.setattr(compiled, "ROWS", 10)


@pytest.fixture
def _as_written(_small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops that would be compiled run as Python."""
    monkeypatch.setattr(compiled, "_kernel", lambda formula, loop: loop)
    monkeypatch.setattr(compiled, "_only_compiled", lambda: None)


@pytest.fixture
def _traced(_small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are traced by torch.compile, and need no compiler."""
    torch.compiler.reset()
    monkeypatch.setattr(compiled, "BACKEND", "eager")


def value_and_gradients(distance: hl.Distance, x: Tensor, w: Tensor) -> list[Tensor]:
    """The distances, and the gradients in x and w of a weighted sum of them."""
    torch.manual_seed(0)
    x, w = (v.detach().clone().requires_grad_() for v in (x, w))
    d = distance(x, w)
    weights = torch.linspace(-1, 2, d.numel(), dtype=d.dtype).reshape(d.shape)
    return [d.detach(), *torch.autograd.grad((weights * d).sum(), (x, w))]


def by(name: str, distance: hl.Distance, x: Tensor, w: Tensor) -> list[Tensor]:
    """The same by one engine, which really ran."""
    with hl.engine(name) as ran:
        found = value_and_gradients(distance, x, w)
    assert ran <= {name}
    assert ran or distance.spec.name in PRODUCTS
    return found


def close(one: list[Tensor], other: list[Tensor]) -> None:
    rtol = 1e-11 if one[0].dtype == torch.float64 else 2e-4
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol / 10, equal_nan=True)


# --- the choice ----------------------------------------------------------------------------------


@pytest.fixture
def _kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be compiled runs in tiles."""
    monkeypatch.setattr(compiled, "measure", pairwise.measure)
    monkeypatch.setattr(compiled, "pull_back", pairwise.pull_back)


def runs(n: int, k: int, d: int) -> set[str]:
    """What runs without a choice."""
    with hl.engine() as ran:
        value_and_gradients(hl.distance("canberra"), torch.randn(n, d), torch.randn(k, d))
    return ran


@pytest.mark.usefixtures("_kernels")
def test_a_compiler_is_for_many_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WORTH", 6 * 17 * 5)
    assert runs(6, 17, 5) == {"compiled"}
    assert runs(5, 17, 5) == {"eager"}
    assert runs(6, 17, 4) == {"eager"}


@pytest.mark.usefixtures("_kernels")
def test_few_prototypes_never_wait_for_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WORTH", 1)
    assert runs(100, 16, 5) == {"eager"}
    assert runs(1, 17, 1) == {"compiled"}


def test_a_compiler_is_worth_its_time_from_a_tenth_of_a_second_on() -> None:
    assert not engine.compiles(torch.empty(2**9, 2**4), torch.empty(2**10 - 1, 2**4))
    assert engine.compiles(torch.empty(2**9, 2**4), torch.empty(2**10, 2**4))


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("name", ["compiled", "eager"])
def test_a_chosen_engine_runs_whatever_the_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for worth in (1, 2**60):
        monkeypatch.setattr(engine, "WORTH", worth)
        by(name, hl.distance("canberra"), torch.randn(3, 4), torch.randn(20, 4))


def test_products_take_no_engine() -> None:
    x, w = torch.randn(3, 4), torch.randn(20, 4)
    with hl.engine("eager") as ran:
        for name in ("euclidean", "cosine"):
            hl.distance(name)(x, w)
    assert ran == set()


@pytest.mark.usefixtures("_kernels")
def test_each_context_sees_what_ran_in_it() -> None:
    d, x, w = hl.distance("manhattan"), torch.randn(3, 4), torch.randn(2, 4)
    with hl.engine("eager") as outer:
        assert outer == set()
        with hl.engine("compiled") as inner:
            d(x, w)
        assert inner == outer == {"compiled"}
        d(x, w)
        assert (inner, outer) == ({"compiled"}, {"compiled", "eager"})
    d(x, w)
    assert (inner, outer) == ({"compiled"}, {"compiled", "eager"})


@pytest.mark.usefixtures("_kernels")
def test_an_error_ends_the_choice() -> None:
    d, x, w = hl.distance("manhattan"), torch.randn(3, 4), torch.randn(2, 4)
    with hl.engine("compiled"):
        with pytest.raises(ZeroDivisionError), hl.engine("eager"):
            raise ZeroDivisionError
        with hl.engine("auto") as automatic:
            d(x, w)
        d(x, w)
    assert automatic == {"eager"}
    with hl.engine("auto") as ran:
        d(x, w)
    assert ran == {"eager"}


@pytest.mark.usefixtures("_kernels")
def test_the_choice_is_that_of_all_threads() -> None:
    d, x, w = hl.distance("manhattan"), torch.randn(3, 4), torch.randn(2, 4)
    with hl.engine("compiled") as ran:
        thread = threading.Thread(target=d, args=(x, w))
        thread.start()
        thread.join()
    assert ran == {"compiled"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("compild", r"unknown engine 'compild'; did you mean 'compiled'\? .valid: auto, comp"),
        (None, r"unknown engine None \(valid: auto, compiled, eager\)"),
    ],
)
def test_an_unknown_engine_is_refused(name: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message), hl.engine(name):
        pass
    assert engine._chosen == "auto"
    assert engine._ran == []


# --- compiled loops, run as they are written -----------------------------------------------------

SIZES = [(1, 2, 5), (3, 17, 33), (4, 41, 1), (9, 17, 5), (37, 41, 5), (8, 3, 64)]


@pytest.mark.usefixtures("_as_written")
@with_each_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loops_are_tiles(form: hl.DistanceSpec, dtype: torch.dtype) -> None:
    for n, k, d in SIZES:
        distance = build(form, d).to(dtype)
        x, w = torch.randn(n, d, dtype=dtype), torch.randn(k, d, dtype=dtype)
        close(*(by(name, distance, x, w) for name in ("compiled", "eager")))


@pytest.mark.slow
@pytest.mark.usefixtures("_traced")
@with_forms(  # one of each formula
    "manhattan",
    "minkowski-p<1",
    "chebyshev-maximum",
    "chebyshev-smooth",
    "canberra-standard",
    "canberra-weighted",
)
def test_loops_that_are_traced_are_tiles(form: hl.DistanceSpec) -> None:
    distance = build(form, 5)
    x, w = torch.randn(13, 5), torch.randn(41, 5)
    close(*(by(name, distance, x, w) for name in ("compiled", "eager")))


@pytest.mark.usefixtures("_as_written")
@with_each_form
def test_loops_are_tiles_where_numbers_are_equal(form: hl.DistanceSpec) -> None:
    x, w = (torch.randint(-1, 2, (n, 4), dtype=torch.float64) for n in (13, 19))  # ties
    x[0], w[0], w[1] = 0, 0, x[1]
    distance = build(form, 4).double()
    close(*(by(name, distance, x, w) for name in ("compiled", "eager")))


@pytest.mark.usefixtures("_as_written")
@with_each_form
def test_loops_keep_what_is_not_a_number(form: hl.DistanceSpec) -> None:
    if form.form == "hard":
        pytest.skip("the bit of NaN is 0")
    distance = build(form, 5).double()
    x, w = torch.randn(7, 5, dtype=torch.float64), torch.randn(18, 5, dtype=torch.float64)
    x[2, 3] = torch.nan
    for name in ("compiled", "eager"):
        with hl.engine(name):
            d = distance(x, w)
        assert d[2].isnan().all()


@pytest.mark.usefixtures("_as_written")
@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (0,)])
def test_loops_take_any_shape(lead: tuple[int, ...]) -> None:
    distance, x, w = hl.distance("canberra"), torch.randn(*lead, 5), torch.randn(18, 5)
    close(*(by(name, distance, x, w) for name in ("compiled", "eager")))


@pytest.mark.usefixtures("_as_written")
@pytest.mark.parametrize("wanted", [0, 1])
def test_loops_give_the_gradient_that_is_needed(wanted: int) -> None:
    pair = [torch.randn(6, 5), torch.randn(18, 5)]
    pair[wanted].requires_grad_()
    found = []
    for name in ("compiled", "eager"):
        with hl.engine(name):
            d = hl.distance("canberra")(*pair)
            found.append([torch.autograd.grad(d.square().sum(), pair[wanted])[0]])
    close(*found)


@pytest.mark.usefixtures("_as_written")
@with_each_form
def test_the_loss_is_the_same_by_loops(form: hl.DistanceSpec) -> None:
    head = hl.HarmonicHead(5, 18, build(form, 5).eval(), exponent=2.0).double()
    x, y = torch.randn(7, 5, dtype=torch.float64), torch.randint(18, (7,))
    found = []
    for name in ("compiled", "eager"):
        with hl.engine(name):
            loss = head.loss(x, y, max_mb=2e-3)
            found.append([loss.detach(), *torch.autograd.grad(loss, list(head.parameters()))])
    close(*found)


# --- derivatives of another kind -----------------------------------------------------------------


@pytest.mark.usefixtures("_traced")
@with_forms("manhattan", "canberra-weighted", "chebyshev-maximum", "hamming-soft", "cosine")
def test_transforms_go_by_tiles(form: hl.DistanceSpec) -> None:
    distance = build(form, 5).double()
    xs, ws = (torch.randn(2, n, 5, dtype=torch.float64) for n in (3, 18))

    def gradient(x: Tensor, w: Tensor) -> Tensor:
        return torch.func.grad(lambda x: distance(x, w).square().sum())(x)

    found = []
    for name in ("compiled", "eager"):
        with hl.engine(name):
            found.append(
                [
                    vmap(distance)(xs, ws),
                    vmap(gradient)(xs, ws),
                    jacrev(distance)(xs[0], ws[0]),
                    jacrev(jacrev(lambda x, w: distance(x, w).sum()))(xs[0], ws[0]),
                ]
            )
    close(*found)


@pytest.mark.slow
@pytest.mark.usefixtures("_traced")
@with_forms("manhattan", "minkowski-p>=1", "canberra-weighted", "chebyshev-smooth", "hamming-soft")
def test_second_derivatives_go_by_tiles(form: hl.DistanceSpec) -> None:
    distance = build(form, 5).double()
    x, w = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (3, 18))
    found = []
    for name in ("compiled", "eager"):
        with hl.engine(name):
            value = distance(x, w).square().sum()
            first = torch.autograd.grad(value, (x, w), create_graph=True)
            penalty = sum(v.square().sum() for v in first)
            found.append([*first, *torch.autograd.grad(penalty, (x, w))])
    close(*([v.detach() for v in each] for each in found))


# --- a real compiler -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="inductor needs a C++ compiler"
)
@with_forms("manhattan", "minkowski-p>=1", "canberra-weighted", "chebyshev-maximum")
def test_machine_code_is_the_exact_distance(form: hl.DistanceSpec) -> None:
    distance, x, w = build(form, 33), torch.randn(7, 33), torch.randn(41, 33)
    exact = by("eager", distance, x.double(), w.double())
    found = by("compiled", distance, x, w)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


# --- a compiler that does not work ---------------------------------------------------------------


def broken(graph: Any, inputs: Any) -> Any:
    raise OSError("no compiler\nof any kind")


@pytest.fixture
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.compiler.reset()
    monkeypatch.setattr(compiled, "BACKEND", broken)
    monkeypatch.setattr(engine, "WORTH", 1)
    monkeypatch.setattr(engine, "_compiler_works", True)
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_there_is_one_warning_and_the_right_number() -> None:
    distance, x, w = hl.distance("canberra"), torch.randn(5, 6), torch.randn(20, 6)
    expected = by("eager", distance, x, w)
    message = "torch.compile fails.* eager tiles: .+"
    with pytest.warns(UserWarning, match=message) as said, hl.engine() as ran:
        found = value_and_gradients(distance, x, w)
    assert len(said) == 1
    assert ran == {"eager"}
    close(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(value_and_gradients(hl.distance("manhattan"), x, w)[:1],
              [torch.cdist(x, w, p=1)])  # fmt: skip


@pytest.mark.usefixtures("_no_compiler")
def test_who_asks_for_a_compiler_hears_that_there_is_none() -> None:
    distance, x, w = hl.distance("canberra"), torch.randn(5, 6), torch.randn(20, 6)
    with (
        pytest.raises(RuntimeError, match="fails; leave the engine at 'auto'") as raised,
        hl.engine("compiled"),
    ):
        distance(x, w)
    assert "no compiler" in str(raised.value.__cause__)
    assert engine._compiler_works


@pytest.fixture(params=["stance", "disable"])
def _not_compiled(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """torch.compile is switched off, so that a function would run as it is written."""
    monkeypatch.setattr(pairwise, "BUDGET", 2**9)
    if request.param == "stance":
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        with torch._dynamo.config.patch(disable=True):
            yield


@pytest.mark.usefixtures("_not_compiled")
@with_forms("manhattan", "canberra-standard", "minkowski-p>=1", "chebyshev-maximum")
@pytest.mark.parametrize("name", ["compiled", "auto"])
def test_with_torch_compile_off_it_is_tiles(
    form: hl.DistanceSpec, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WORTH", 1)
    n, k, d = 20, 30, 40
    distance, x, w = build(form, d), torch.randn(n, d), torch.randn(k, d)
    with hl.engine(name) as ran, Largest() as largest, warnings.catch_warnings():
        warnings.simplefilter("error")
        found = value_and_gradients(distance, x, w)
    assert ran == {"eager"}
    assert n * k <= largest.numbers < n * k * d / 4
    close(found, by("eager", distance, x, w))


# --- formulas ------------------------------------------------------------------------------------

FORMULAS: list[Formula] = [
    *(Norm(p) for p in (1, 2)),
    pairwise.ScaledNorm(),
    *(PowerSum(p) for p in (0.5, 0.9, 1.5, 2.5, 3.0, 4.0, 7.3)),
    *(LogMeanExp(alpha) for alpha in (0.1, 10.0)),
    Ratios(),
    *(SumOfRatios(least) for least in (0.0, 0.5)),
    *(WeightedMean(power) for power in (0.0, 0.5, 1.0, 1.5, 2.2)),
]
with_each_formula = pytest.mark.parametrize("formula", FORMULAS, ids=str)


def test_every_formula_is_here() -> None:
    without_slopes = {Worst, pairwise.Largest}
    here = {type(formula) for formula in FORMULAS} | without_slopes
    everywhere = {c for c in Formula.__subclasses__() if c.__module__.startswith("harmonic_lib")}
    assert here == everywhere


def points(scene: str, formula: Formula) -> tuple[Tensor, Tensor]:
    x, w = torch.randn(2, 50, 6, dtype=torch.float64)
    if scene == "zeros":
        x[:, 0], w[:, 0] = 0, 0
        x[::2, 1], w[::3, 2] = 0, 0
    if scene == "equal coordinates":
        w[:, :3] = x[:, :3]
    if scene == "equal vectors":
        w = x.clone()
    if scene == "nothing":
        x, w = torch.zeros_like(x), torch.zeros_like(w)
    return (x.exp(), w.exp()) if isinstance(formula, Ratios) else (x, w)  # those are positive


@with_each_formula
@pytest.mark.parametrize(
    "scene", ["random", "zeros", "equal coordinates", "equal vectors", "nothing"]
)
def test_slopes_are_derivatives(formula: Formula, scene: str) -> None:
    x, w = (v.requires_grad_() for v in points(scene, formula))
    found = formula.whole(x, w)
    expected = torch.autograd.grad(found[0].sum(), (x, w))
    needed = (v.detach().unsqueeze(-1) for v in found[formula.needs_from :])
    slopes = formula.slopes(x.detach(), w.detach(), *needed)
    for one, other in zip(slopes, expected, strict=True):
        torch.testing.assert_close(one.expand_as(other), other, rtol=1e-10, atol=1e-12)


@with_each_formula
@pytest.mark.parametrize("scene", ["random", "zeros", "equal vectors"])
def test_formulas_are_symmetric(formula: Formula, scene: str) -> None:
    x, w = points(scene, formula)
    for one, other in zip(formula.whole(x, w), formula.whole(w, x), strict=True):
        assert torch.equal(one, other)


@with_each_formula
@pytest.mark.parametrize("scene", ["random", "zeros", "equal coordinates", "nothing"])
def test_the_gradient_for_a_second_one_is_the_same(formula: Formula, scene: str) -> None:
    x, w = (v.float().requires_grad_() for v in points(scene, formula))
    g = 100 * torch.randn(len(x), len(w))
    once = torch.autograd.grad(every_pair(formula, x, w), (x, w), g)
    again = torch.autograd.grad(every_pair(formula, x, w), (x, w), g, create_graph=True)
    for one, other in zip(once, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_equal_formulas_share_their_kernels() -> None:
    kernels = [
        compiled._compiled(formula, compiled._measure, "eager")
        for formula in (PowerSum(1.5), PowerSum(1.5), PowerSum(2.5))
    ]
    assert kernels[0] is kernels[1]
    assert kernels[0] is not kernels[2]


def test_the_worst_coordinate_is_the_first_of_the_largest() -> None:
    x = torch.tensor([[1.0, -3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    (left,) = Worst().whole(x, torch.zeros(4))
    assert left.tolist() == [3, 4, 1]
