"""Bad input: each message says what was given, what was expected, and the nearest valid name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from forms import FORMS, build, name_of
from torch import Tensor, nn

import harmonic_lib as hl

# The same functions, for arguments that no type checker would let through.
distance: Any = hl.distance
link: Any = hl.link
head: Any = hl.HarmonicHead
logits: Any = hl.harmonic_logits
euclidean: Any = hl.distance("euclidean")
mahalanobis: Any = partial(distance, "mahalanobis")

D, K = 5, 3
X, W = torch.zeros(2, D), torch.zeros(K, D)
EYE = torch.eye(2)
LOPSIDED, INDEFINITE = torch.tensor([[[1.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]])
inf, nan = math.inf, math.nan

Call = Callable[[], object]
DISTANCES = (
    "euclidean, manhattan, minkowski, chebyshev, cosine, hamming, canberra, bray_curtis, "
    "mahalanobis"
)
LINKS = "harmonic, isomax, gaussian, student_t, cosine_softmax"
FLOATING = "must be a floating-point tensor"
SHAPES = "expected x of shape (..., D) and w of shape (K, D) with one D >= 1 and K >= 1"
DEFINITE = "precision must be symmetric and positive definite"
EXPONENT = "exponent must be a positive finite number"


class Bad(NamedTuple):
    """A call, the error that it raises, and two parts of its message: the given, the expected."""

    call: Call
    error: type[Exception]
    given: str
    expected: str


def refused(error: type[Exception], *rows: tuple[Call, str, str]) -> list[Bad]:
    """Calls with what was given and what was expected."""
    return [Bad(call, error, given, expected) for call, given, expected in rows]


def unknown(kind: str, valid: str, call: Callable[[Any], object], *names: Any) -> list[Bad]:
    """Unknown names, each by itself or with the nearest valid one."""
    pairs = [name if isinstance(name, tuple) else (name, None) for name in names]
    return [
        Bad(
            partial(call, name),
            TypeError if kind.startswith("option") else ValueError,
            f"unknown {kind} {name!r}",
            f"{name!r}"
            + (f"; did you mean {nearest!r}?" if nearest else "")
            + f" (valid: {valid})",
        )
        for name, nearest in pairs
    ]


def option(of: str, valid: str, *names: Any, call: Any = distance, **others: object) -> list[Bad]:
    """Unknown options of a distance or a link."""
    return unknown(f"option of {of}:", valid, lambda name: call(of, **others, **{name: 1}), *names)


def number(name: str, kind: str, call: Callable[[Any], object], *values: object) -> list[Bad]:
    """Numbers out of range, and what is no number at all."""
    says = f"{name} must be a {kind} finite number"
    return [Bad(partial(call, value), ValueError, f", got {value!r}", says) for value in values]


def size(name: str, call: Callable[[Any], object], *values: object) -> list[Bad]:
    """What is no size."""
    says = f"{name} must be a positive integer"
    return [Bad(partial(call, value), ValueError, f", got {value!r}", says) for value in values]


BAD = [
    # distances: their names
    *unknown(
        *("distance", DISTANCES, distance),
        *(("euclidian", "euclidean"), ("Manhatten", "manhattan"), ("minkovski", "minkowski")),
        *(("tchebychev", "chebyshev"), ("COSINE", "cosine"), ("haming", "hamming")),
        *(("camberra", "canberra"), ("bray-curtis", "bray_curtis")),
        *(("mahalonobis", "mahalanobis"), "xyz", "", None, 3, 2.5, ["euclidean"], {}),
    ),
    # distances: their options
    *option("hamming", "form, temperature, threshold", ("temprature", "temperature")),
    *option("hamming", "form, temperature, threshold", ("treshold", "threshold"), "n"),
    *option("canberra", "form, min_denom, weight_power", ("weight_powr", "weight_power")),
    *option("canberra", "form, min_denom, weight_power", ("mindenom", "min_denom")),
    *option("chebyshev", "smooth", ("smoth", "smooth"), "alpha"),
    *option("minkowski", "p", "power"),
    *option("bray_curtis", "form", ("from", "form"), "min_sum"),
    *option("mahalanobis", "dim, form, precision", ("precison", "precision"), dim=2),
    *option("euclidean", "none", "p", "form"),
    *option("manhattan", "none", "p", "form"),
    *option("cosine", "none", "temperature"),
    *refused(TypeError, (mahalanobis, "mahalanobis needs", "'dim' (valid: dim, form, precision)")),
    # distances: their forms
    *unknown(
        "form of hamming:",
        "soft, gumbel, hard",
        lambda form: distance("hamming", form=form),
        *(("gumble", "gumbel"), ("sft", "soft"), ("hardd", "hard"), "", None, 1, ["soft"]),
    ),
    *unknown(
        "form of canberra:",
        "standard, robust, weighted",
        lambda form: distance("canberra", form=form),
        *(("robst", "robust"), ("Standard", "standard"), ("weight", "weighted"), "full"),
    ),
    *unknown(
        "form of bray_curtis:",
        "standard, abs, normalized",
        lambda form: distance("bray_curtis", form=form),
        *(("normalised", "normalized"), ("absolute", "abs"), "robust"),
    ),
    *unknown(
        "form of mahalanobis:",
        "full, cholesky, diagonal",
        lambda form: mahalanobis(dim=2, form=form),
        *(("choleski", "cholesky"), ("diag", "diagonal"), "standard"),
    ),
    # distances: their numbers
    *number(
        *("p", "positive", lambda p: distance("minkowski", p=p)),
        *(0, -1, -inf, nan, "2", True, None, 1j, [1.5], torch.ones(2)),
    ),
    *refused(
        ValueError,
        (lambda: distance("minkowski", p=inf), "got inf", "p must be finite"),
        (lambda: distance("minkowski", p=inf), "got inf", "the limit is distance('chebyshev')"),
        (
            lambda: distance("minkowski", p=2e9),
            "got 2000000000.0",
            "the limit is distance('chebyshev')",
        ),
        (
            lambda: distance("canberra", form="weighted", weight_power=101),
            "got 101",
            "weight_power must be at most 100",
        ),
    ),
    *number("smooth", "positive", lambda a: distance("chebyshev", smooth=a), 0, -2.0, inf, "10"),
    *number("temperature", "positive", lambda t: distance("hamming", temperature=t), 0, -1, nan),
    *number("threshold", "real", lambda t: distance("hamming", threshold=t), nan, -inf, "half"),
    *number(
        "min_denom",
        "positive",
        lambda m: distance("canberra", form="robust", min_denom=m),
        0,
        -1e-2,
        inf,
    ),
    *number(
        *(
            "weight_power",
            "non-negative",
            lambda q: distance("canberra", form="weighted", weight_power=q),
        ),
        *(-1, nan, "1"),
    ),
    *size("dim", lambda dim: mahalanobis(dim=dim), 0, -3, 2.5, True, "2", None),
    # Mahalanobis: the precision, and the width of the input
    *refused(
        ValueError,
        (lambda: mahalanobis(dim=3, precision=EYE), "(2, 2)", "'full' must be a (3, 3) tensor"),
        (
            lambda: mahalanobis(dim=2, form="diagonal", precision=EYE),
            "(2, 2)",
            "the precision of 'diagonal' must be a (2,) tensor",
        ),
        (lambda: mahalanobis(dim=1, precision=[[1.0]]), "got [[1.0]]", "must be a (1, 1) tensor"),
        (lambda: mahalanobis(dim=2, precision=LOPSIDED), f"got {LOPSIDED}", DEFINITE),
        (lambda: mahalanobis(dim=2, precision=INDEFINITE), f"got {INDEFINITE}", DEFINITE),
        (
            lambda: mahalanobis(dim=2, form="cholesky", precision=INDEFINITE),
            f"got {INDEFINITE}",
            DEFINITE,
        ),
        (
            lambda: mahalanobis(dim=2, form="diagonal", precision=torch.tensor([1.0, -1.0])),
            "got tensor([ 1., -1.])",
            DEFINITE,
        ),
        (lambda: mahalanobis(dim=2, precision=nan * EYE), f"got {nan * EYE}", DEFINITE),
        (lambda: mahalanobis(dim=2, precision=1e-7 * EYE), f"got {1e-7 * EYE}", "1e-06"),
        (lambda: mahalanobis(dim=4)(X, W), "got 5", "expected x and w of width dim = 4"),
    ),
    *refused(
        TypeError,
        (
            lambda: mahalanobis(dim=2, precision=EYE.to(torch.complex64)),
            "got torch.complex64",
            f"precision {FLOATING}",
        ),
        (
            lambda: mahalanobis(dim=2, form="cholesky", precision=EYE.long()),
            "got torch.int64",
            f"precision {FLOATING}",
        ),
    ),
    # inputs and prototypes
    *refused(
        TypeError,
        (lambda: euclidean([1.0, 2.0], W), "got list", "x must be a tensor"),
        (lambda: euclidean(X.numpy(), W), "got ndarray", "x must be a tensor"),
        (lambda: euclidean(X, None), "got NoneType", "w must be a tensor"),
        (lambda: euclidean(X.long(), W), "got torch.int64", f"x {FLOATING}"),
        (lambda: euclidean(X.to(torch.complex64), W), "got torch.complex64", f"x {FLOATING}"),
        (lambda: euclidean(X, W.bool()), "got torch.bool", f"w {FLOATING}"),
    ),
    *refused(
        ValueError,
        (lambda: euclidean(X[:, 1:], W), "got x (2, 4) and w (3, 5)", SHAPES),
        (lambda: euclidean(X[0, 0], W), "got x () and w (3, 5)", SHAPES),
        (lambda: euclidean(X, W[0]), "got x (2, 5) and w (5,)", SHAPES),
        (lambda: euclidean(X, W[None]), "got x (2, 5) and w (1, 3, 5)", SHAPES),
        (lambda: euclidean(X, W[:0]), "got x (2, 5) and w (0, 5)", SHAPES),
        (lambda: euclidean(X[:, :0], W[:, :0]), "got x (2, 0) and w (3, 0)", SHAPES),
        (lambda: euclidean(X, W.to("meta")), "x cpu and w meta", "expected x and w on one device"),
    ),
    # links
    *unknown("link", LINKS, link, ("harmonik", "harmonic"), ("IsoMax", "isomax")),
    *unknown("link", LINKS, link, ("gauss", "gaussian"), ("student-t", "student_t")),
    *unknown("link", LINKS, link, ("cosine", "cosine_softmax")),
    *unknown("link", LINKS, link, "xyz", None, 3, ["isomax"]),
    *option("harmonic", "exponent", ("exponant", "exponent"), call=link),
    *option("isomax", "tau", ("taw", "tau"), "dist", "exponent", call=link),
    *option("gaussian", "sigma", ("sigm", "sigma"), call=link),
    *option("student_t", "exponent, scale", ("scal", "scale"), call=link, exponent=1),
    *option("cosine_softmax", "tau", ("Tau", "tau"), "exponent", call=link),
    *refused(
        TypeError,
        (lambda: link("harmonic"), "harmonic needs", "'exponent' (valid: exponent)"),
        (lambda: link("student_t"), "student_t needs", "'exponent' (valid: exponent, scale)"),
        (lambda: link("isomax")([1.0]), "got list", f"dist {FLOATING}"),
    ),
    *number("exponent", "positive", lambda n: link("harmonic", exponent=n), 0, inf, None, True),
    *number("exponent", "positive", lambda n: link("student_t", exponent=n), -1, "2"),
    *number("scale", "positive", lambda s: link("student_t", exponent=1, scale=s), 0, inf),
    *number("sigma", "positive", lambda s: link("gaussian", sigma=s), 0, nan, "1"),
    *number("tau", "positive", lambda t: link("isomax", tau=t), 0, -1),
    *number("tau", "positive", lambda t: link("cosine_softmax", tau=t), -inf, None),
    # heads
    *size("in_features", lambda size: head(size, K), 0, -1, 6.0, True, "6", None),
    *size("num_classes", lambda size: head(D, size), 0, -1, 4.0, False, "4", None),
    *unknown("distance", DISTANCES, lambda name: head(D, K, name), ("euclid", "euclidean"), ""),
    *unknown("link", LINKS, lambda name: head(D, K, link=name), ("isomaxx", "isomax"), ""),
    *number("exponent", "positive", lambda n: head(D, K, exponent=n), 0, -1, inf, nan, "2", True),
    *refused(
        TypeError,
        (lambda: head(D, K, 0), "got int", "distance must be a name or a Distance"),
        (lambda: head(D, K, hl.Distance), "got type", "distance must be a name or a Distance"),
        (lambda: head(D, K, ["cosine"]), "got list", "distance must be a name or a Distance"),
        (lambda: head(D, K, link=None), "got NoneType", "link must be a name or a Link"),
        (lambda: head(D, K, link=hl.harmax), "got function", "link must be a name or a Link"),
        (lambda: head(D, K, weight=W), "got Tensor", "weight must be an nn.Parameter"),
        (lambda: head(D, K, weight=nn.Linear(D, K)), "got Linear", "must be an nn.Parameter"),
        (lambda: head(D, K)([0.0] * D), "got list", "x must be a tensor"),
    ),
    *refused(
        ValueError,
        (
            lambda: head(D, K, link="isomax", exponent=2),
            "got 2 and isomax",
            "an exponent has no place beside this link",
        ),
        (
            lambda: head(D, K, link=link("harmonic", exponent=3), exponent=2),
            "got 2 and harmonic(exponent=3)",
            "an exponent has no place beside this link",
        ),
        (
            lambda: head(D, K, "euclidean", link="cosine_softmax"),
            "got Euclidean()",
            "cosine_softmax needs the cosine distance",
        ),
        (lambda: head(D, K, weight=nn.Parameter(W.mT)), "got (5, 3)", "must have shape (3, 5)"),
        (lambda: head(D, K)(torch.zeros(2, 4)), "got x (2, 4) and w (3, 5)", SHAPES),
        (lambda: head(D, K, mahalanobis(dim=4)), "got Mahalanobis(full)", "a distance of width 5"),
        (
            lambda: distance("canberra", form="robust", weight_power=1),
            "got it for 'robust'",
            "weight_power is for the form 'weighted'",
        ),
        (
            lambda: distance("canberra", min_denom=0.1),
            "got it for 'standard'",
            "min_denom is for the form 'robust'",
        ),
    ),
    # logits and probabilities
    *refused(
        TypeError,
        (lambda: logits([1.0, 2.0], 1), "got list", f"dist {FLOATING}"),
        (lambda: logits(2.0, 1), "got float", f"dist {FLOATING}"),
        (lambda: logits(X.long(), 1), "got torch.int64", f"dist {FLOATING}"),
        (lambda: logits(X.to(torch.complex64), 1), "got torch.complex64", f"dist {FLOATING}"),
    ),
    *number("exponent", "positive", partial(logits, X), 0, -2, nan, None, "2", torch.tensor(2.0)),
    *number("exponent", "positive", partial(hl.harmax, X), 0, nan),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.given} {bad.expected}")
def test_bad_input_is_refused_with_what_was_given_and_what_was_expected(bad: Bad) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - its type and text come next
        bad.call()
    assert type(raised.value) is bad.error, repr(raised.value)
    assert bad.given in str(raised.value)
    assert bad.expected in str(raised.value)


def test_there_are_enough_bad_inputs_and_they_differ() -> None:
    assert len(BAD) >= 40
    assert len({(bad.given, bad.expected) for bad in BAD}) >= 150


def test_every_distance_and_every_link_is_in_the_table() -> None:
    said = " ".join(bad.given + bad.expected for bad in BAD)
    for name in (*DISTANCES.split(", "), *LINKS.split(", ")):
        assert f"did you mean {name!r}" in said
    for form in FORMS:
        if form.form.isidentifier() and form.name != "chebyshev":
            assert form.form in said
    assert DISTANCES.split(", ") == list(hl.DISTANCES)


# --- the same for every form ---------------------------------------------------------------------

with_each_form = pytest.mark.parametrize("form", FORMS, ids=name_of)


@with_each_form
@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        ([1.0, 2.0], W, "x must be a tensor, got list"),
        (X, None, "w must be a tensor, got NoneType"),
        (X.long(), W, f"x {FLOATING}, got torch.int64"),
        (X, W.bool(), f"w {FLOATING}, got torch.bool"),
        (X, W.to(torch.complex64), f"w {FLOATING}, got torch.complex64"),
    ],
    ids=["list", "None", "integers", "booleans", "complex"],
)
def test_every_form_refuses_another_type(
    form: hl.DistanceSpec, x: Any, w: Any, message: str
) -> None:
    with pytest.raises(TypeError) as raised:
        build(form, D)(x, w)
    assert str(raised.value) == message


@with_each_form
@pytest.mark.parametrize(
    ("x", "w"),
    [(X[:, 1:], W), (X[0, 0], W), (X, W[0]), (X, W[None]), (X, W[:0]), (X[:, :0], W[:, :0])],
    ids=lambda v: str(tuple(v.shape)),
)
def test_every_form_shows_both_shapes(form: hl.DistanceSpec, x: Tensor, w: Tensor) -> None:
    with pytest.raises(ValueError, match="expected x of shape") as raised:
        build(form, D)(x, w)
    assert str(raised.value) == f"{SHAPES}, got x {tuple(x.shape)} and w {tuple(w.shape)}"


def test_a_distance_without_a_formula_says_so() -> None:
    with pytest.raises(NotImplementedError):
        hl.Distance()(X, W)
