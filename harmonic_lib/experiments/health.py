"""A lab for the gradients of distance losses: hard inputs, an exact reference, a verdict.

A case is one input x (1, D) and K prototypes, of which the first is the right one, so that the
gradient in row 0 is that of the *own* prototype. An implementation is judged against the same
formula in float64, with the few conventions of :func:`reference`.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import naive, released
from harmonic_lib.checks import check_name
from harmonic_lib.experiments.profiles import PROFILES

WIDTH, CLASSES = 64, 40
OWN = torch.tensor([0])
EXPONENT = math.sqrt(WIDTH)
TOLERANCE = 0.02
"""How far off a loss or a gradient may be, relative to the right one (a loss: to 1 at least)."""
NOTHING = 1e-3
"""A gradient below this part of the natural pull, n / |x - w| with the nearest prototype that is
not x itself, counts as none."""
HUGE = 1e4
"""A gradient above this multiple of the natural pull would throw a vector out of the data."""

VERDICTS = ("ok", "flat", "wrong", "dead", "huge", "NaN", "error")
OK, FLAT, WRONG, DEAD, EXPLODED, NAN, ERROR = VERDICTS
"""From best to worst. Of several draws, the worst counts."""

Pairs = Callable[[Tensor, Tensor], Tensor]
"""Distances (1, D), (K, D) -> (1, K)."""


# --- the hard inputs ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """x (1, D), w (K, D), whose first row is the right class; exponent None: the usual one."""

    x: Tensor
    w: Tensor
    exponent: float | None = None


Draw = Callable[[torch.Generator], Case]


def plain(g: torch.Generator, scale: float = 1.0, exponent: float | None = None) -> Case:
    """Normal entries: lengths about 8, all prototypes about equally far."""
    drawn = scale * torch.randn(1 + CLASSES, WIDTH, dtype=torch.float64, generator=g)
    return Case(drawn[:1].float(), drawn[1:].float(), exponent)


def matched(g: torch.Generator, twins: int = 1) -> Case:
    """x on its own prototype, of which there are some."""
    case = plain(g)
    return replace(case, w=torch.cat([case.x.expand(twins, -1), case.w[twins:]]))


def zeros(g: torch.Generator, x: bool, own: bool) -> Case:
    """A zero x, a zero own prototype, or both."""
    case = plain(g)
    w = torch.cat([0 * case.w[:1], case.w[1:]]) if own else case.w
    return Case(0 * case.x if x else case.x, w)


def close(
    g: torch.Generator, length: float, gap: float, dtype: torch.dtype = torch.float32
) -> Case:
    """Vectors of one length; the own prototype 1.25 gaps from x, another one gap.

    A gap below the spacing of the numbers is put into eight coordinates that are as small.
    """
    drawn = torch.randn(1 + CLASSES, WIDTH, dtype=torch.float64, generator=g)
    directions = torch.randn(2, WIDTH, dtype=torch.float64, generator=g)
    if gap < 1e-7 * length:
        drawn[0, -8:] *= gap
        directions[:, :-8] = 0
    directions[:, -1] = 4.0  # one coordinate leads: no tie for Chebyshev
    drawn *= length / drawn.norm(dim=-1, keepdim=True)
    if gap < 1e-7 * length:
        drawn[0, -8:] /= length
    x, w = drawn[:1], drawn[1:]
    steps = gap * torch.tensor([[1.25], [1.0]], dtype=torch.float64)
    w[:2] = x + steps * directions / directions.norm(dim=-1, keepdim=True)
    return Case(x.to(dtype), w.to(dtype))


def huge_feature(g: torch.Generator) -> Case:
    """One feature of 10,000, the same in x and in all prototypes."""
    case = plain(g)
    case.x[:, 0] = case.w[:, 0] = 1e4
    return case


def rectified(g: torch.Generator) -> Case:
    """An x after ReLU: half of its entries are 0."""
    case = plain(g)
    return replace(case, x=case.x.clamp_min(0))


def opposite(g: torch.Generator) -> Case:
    """Another class's prototype is -x."""
    case = plain(g)
    return replace(case, w=torch.cat([case.w[:1], -case.x, case.w[2:]]))


def other_signs(g: torch.Generator) -> Case:
    """All of x positive, all of w negative."""
    case = plain(g)
    return Case(case.x.abs(), -case.w.abs())


INPUTS: dict[str, Draw] = {
    "ordinary": plain,
    "x = own": matched,
    "x = own = other": partial(matched, twins=2),
    "x = 0": partial(zeros, x=True, own=False),
    "own = 0": partial(zeros, x=False, own=True),
    "x = own = 0": partial(zeros, x=True, own=True),
    "gap 1e-4, length 1": partial(close, length=1, gap=1e-4),
    "gap 1e-6, length 1": partial(close, length=1, gap=1e-6),
    "gap 1e-9, length 1": partial(close, length=1, gap=1e-9),
    "gap 1e-2, length 28": partial(close, length=28, gap=1e-2),
    "gap 1e-4, length 28": partial(close, length=28, gap=1e-4),
    "gap 1e-9, length 28": partial(close, length=28, gap=1e-9),
    "scale 1e-18": partial(plain, scale=1e-18),
    "scale 1e-6": partial(plain, scale=1e-6),
    "scale 1e6": partial(plain, scale=1e6),
    "scale 1e18": partial(plain, scale=1e18),
    "one huge feature": huge_feature,
    "bfloat16, length 28": partial(close, length=28, gap=1.0, dtype=torch.bfloat16),
    "float16, length 28": partial(close, length=28, gap=1.0, dtype=torch.float16),
    "n = 28": partial(plain, exponent=28.0),
    "n = 768": partial(plain, exponent=768.0),
    "n = 1536": partial(plain, exponent=1536.0),
    "ReLU zeros in x": rectified,
    "other = -x": opposite,
    "x > 0 > w": other_signs,
}


# --- the implementations -----------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A loss, its gradients in x and in w, and whether all other gradients are finite."""

    loss: float
    of_x: Tensor
    of_w: Tensor
    finite: bool = True


Loss = Callable[[Tensor, Tensor, float], Tensor]


def differentiate(
    loss_of: Loss, case: Case, exponent: float, learnt: tuple[Tensor, ...] = ()
) -> Outcome | None:
    """The loss of a case and its gradients; a loss without a graph has gradients of 0.

    None where the computation stops with an error.
    """
    x, w = (v.clone().requires_grad_() for v in (case.x, case.w))
    try:
        loss = loss_of(x, w, exponent)
    except RuntimeError:
        return None
    if not loss.requires_grad:
        return Outcome(float(loss), 0 * case.x.double(), 0 * case.w.double())
    leaves = (x, w, *learnt)
    grads = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    finite = all(bool(g.isfinite().all()) for g in grads[2:])
    return Outcome(float(loss.detach()), grads[0].double(), grads[1].double(), finite)


@cache
def precision(diagonal: bool = False) -> Tensor:
    """A positive definite P, (D, D), in float64."""
    a = torch.randn(WIDTH, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    return (
        (a.diagonal() / 2).exp().diag()
        if diagonal
        else a @ a.mT / WIDTH + 0.1 * a.new_ones(WIDTH).diag()
    )


def textbook(form: str) -> Pairs:
    """The function of :mod:`harmonic_lib.naive`, on all pairs."""
    function: Pairs = naive.FUNCTIONS[form]
    if form.startswith("mahalanobis"):
        function = partial(naive.mahalanobis, precision=precision("diagonal" in form))
    return lambda x, w: function(x.unsqueeze(-2), w)


@cache
def ours(form: str) -> hl.Distance:
    """The distance of the library, in evaluation."""
    name, _, kind = form.partition(" ")
    (spec,) = (s for s in hl.DISTANCES[name].every_form() if s.form == kind)
    if name != "mahalanobis":
        return hl.distance(name, **spec.options).eval()
    p = precision("diagonal" in form)
    p = p.diagonal() if "diagonal" in form else p
    return hl.distance(name, dim=WIDTH, form=kind, precision=p).eval()


def released_layer(form: str) -> tuple[str, dict[str, object]]:
    """The released layer that bears the name of a form, and its options."""
    name, _, kind = form.partition(" ")
    if name == "minkowski":
        return name, {"p": 1.5 if kind == "p >= 1" else 0.5}
    if name == "mahalanobis":
        p = precision("diagonal" in form)
        learnt = {"full": p, "diagonal": p.diagonal().log(), "cholesky": torch.linalg.cholesky(p)}
        return f"{name}_{kind.replace('full', 'standard')}", {"precision": learnt[kind]}
    named = {"chebyshev maximum": "chebyshev_standard", "cosine": "cosine_stable"}
    return named.get(form, form.replace(" ", "_")), {}


def released_loss(form: str) -> Loss:
    """Cross-entropy of the released layer's similarity, converted as ResNet50 and PVT do."""
    layer, options = released_layer(form)

    def loss_of(x: Tensor, w: Tensor, n: float) -> Tensor:
        own = {k: v.to(x.dtype) if isinstance(v, Tensor) else v for k, v in options.items()}
        s = released.similarity(layer, x, w, n=n, **own)
        return F.cross_entropy(released.logits(s, "log"), OWN)

    return loss_of


def released_distance(form: str) -> Pairs:
    """What the released layer raises to the power -n: its distance, its epsilon added."""
    layer, options = released_layer(form)
    eps = released.defaults(layer)["eps"]
    if layer == "hamming_hard":
        return lambda x, w: straight_through(x, w, 0.1, 0.5, 0.0) * WIDTH + eps
    return lambda x, w: released.LAYERS[layer].distance(x, w, eps, **options) + eps


IMPLEMENTATIONS = (
    "textbook, powers",
    "textbook, logarithms",
    "released layers",
    "harmonic_lib, logits",
    "harmonic_lib, loss",
)


def outcome(implementation: str, form: str, case: Case) -> Outcome | None:
    """What an implementation makes of a case.

    The released layers have their exponent of 1 where a case has none, all others sqrt(D).
    """
    check_name("implementation", implementation, IMPLEMENTATIONS)
    usual = 1.0 if implementation == "released layers" else EXPONENT
    n = usual if case.exponent is None else case.exponent
    if implementation == "released layers":
        return differentiate(released_loss(form), case, n)
    if implementation.startswith("textbook"):
        d = textbook(form)
        loss = naive.power_loss if implementation.endswith("powers") else naive.log_loss
        return differentiate(lambda x, w, n: loss(d(x, w), OWN, n), case, n)
    distance = ours(form)
    if implementation == "harmonic_lib, logits":
        return differentiate(of_module(distance), case, n, tuple(distance.parameters()))

    def lean(x: Tensor, w: Tensor, n: float) -> Tensor:
        return hl.harmonic_cross_entropy(x, w, OWN, distance, n)

    return differentiate(lean, case, n, tuple(distance.parameters()))


def of_module(distance: hl.Distance) -> Loss:
    """Cross-entropy of the harmonic logits of a distance."""
    return lambda x, w, n: F.cross_entropy(hl.harmonic_logits(distance(x, w), n), OWN)


# --- the reference -----------------------------------------------------------------------------


def straight_through(
    x: Tensor, w: Tensor, temperature: float, threshold: float, centre: float
) -> Tensor:
    """The share of bits that differ, with the soft bits' slopes there, and none elsewhere."""
    x = x.unsqueeze(-2)
    step = (x > threshold).to(x.dtype) - (w > threshold).to(x.dtype)
    soft = ((x - centre) / temperature).sigmoid() - ((w - centre) / temperature).sigmoid()
    return (step * (step + (soft - soft.detach()))).mean(-1)


def careful(form: str) -> Pairs:
    """The textbook's formula in a way that keeps the digits in float64, and has 0/0 = 0."""
    tiny = 1e-300

    def log_mean_exp(x: Tensor, w: Tensor, smooth: float = 10.0) -> Tensor:
        gap = smooth * (x.unsqueeze(-2) - w).abs()
        most = gap.detach().amax(-1, keepdim=True)
        far = (gap - most).exp().mean(-1).log() + most.squeeze(-1)
        return (
            torch.where(most.squeeze(-1) > 1, far, gap.clamp_max(2).expm1().mean(-1).log1p())
            / smooth
        )

    def bits(x: Tensor, w: Tensor) -> Tensor:
        a, b = x.unsqueeze(-2) - 0.5, w - 0.5
        half = (x.unsqueeze(-2) - w) / 2
        near = half.clamp(-1, 1).sinh() / (
            2 * (a / 2).clamp(-9, 9).cosh() * (b / 2).clamp(-9, 9).cosh()
        )
        small = (half.abs() < 1) & (a.abs() < 18) & (b.abs() < 18)
        return torch.where(small, near, a.sigmoid() - b.sigmoid()).abs().mean(-1)

    def halves(x: Tensor, w: Tensor) -> Tensor:
        a, b = (F.normalize(v, dim=-1, eps=1e-300) for v in (x.unsqueeze(-2), w))
        return (a - b).square().sum(-1) / 2

    def ratios(x: Tensor, w: Tensor, least: float = tiny) -> Tensor:
        x = x.unsqueeze(-2)
        return ((x - w).abs() / (x.abs() + w.abs()).clamp_min(least)).sum(-1)

    def weighted(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        root = (x.abs() + w.abs()).clamp_min(tiny).sqrt()
        return ((x - w).abs() / root).sum(-1) / root.sum(-1)

    def over_sum(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        return (x - w).abs().sum(-1) / (x + w).abs().sum(-1).clamp_min(tiny)

    def over_sizes(x: Tensor, w: Tensor) -> Tensor:
        x = x.unsqueeze(-2)
        return (x - w).abs().sum(-1) / (x.abs() + w.abs()).sum(-1).clamp_min(tiny)

    special: dict[str, Pairs] = {
        "chebyshev smooth": log_mean_exp,
        "cosine": halves,
        "hamming soft": bits,
        "canberra standard": ratios,
        "canberra weighted": weighted,
        "bray_curtis standard": over_sum,
        "bray_curtis abs": over_sizes,
        "hamming hard": partial(straight_through, temperature=1.0, threshold=0.5, centre=0.5),
    }
    return special.get(form, textbook(form))


NO_DIRECTION = ("cosine", "bray_curtis normalized")
"""Where a zero vector has no distance by the formula, and counts as 1 away from everything."""


@dataclass(frozen=True)
class Reference:
    """The right loss and gradients; the natural pull; whether x is on its own prototype."""

    loss: float
    of_x: Tensor
    of_w: Tensor
    natural: float
    met: bool

    @property
    def known(self) -> bool:
        """Whether the formula has a number here."""
        return math.isfinite(self.loss) and bool(
            self.of_x.isfinite().all() and self.of_w.isfinite().all()
        )


def reference(d: Pairs, case: Case, exponent: float, no_direction: bool = False) -> Reference:
    """Loss and gradients by a distance in float64.

    Where a distance has no slope, because x = w_k, the slope counts as 0; where a distance is
    0, or infinite, its probability is the limit. ``no_direction``: a zero vector is at 1.
    """
    x, w = (v.double().requires_grad_() for v in (case.x, case.w))
    same = (x == w).all(-1)
    nowhere = ((x == 0).all() | (w == 0).all(-1)) & no_direction
    shift = (same | nowhere).to(x.dtype).unsqueeze(-1)
    away = x + float(no_direction and bool((x == 0).all()))
    at_match = d(x, w).detach()
    distances = torch.where(same, at_match, d(away, w + shift))
    distances = torch.where(nowhere, torch.ones_like(distances), distances)
    z = -exponent * distances.clamp_min(1e-292).log()
    loss = F.cross_entropy(z, OWN)
    if bool(distances[0, 0] > 0) and bool((distances == 0).any()):
        loss = loss + math.inf  # x is at distance 0 from another prototype
    of_x, of_w = torch.autograd.grad(loss, (x, w))
    gaps = (x - w).detach().norm(dim=-1)[~same]
    natural = exponent / float(gaps.min()) if len(gaps) else 0.0
    return Reference(float(loss.detach()), of_x, of_w, natural, bool(same[0]))


def reference_of(layer: bool, form: str, case: Case) -> Reference:
    """What a form is held to: its own formula, or that of the released layer of its name."""
    if layer:
        n = 1.0 if case.exponent is None else case.exponent
        return reference(released_distance(form), case, n)
    n = EXPONENT if case.exponent is None else case.exponent
    return reference(careful(form), case, n, form in NO_DIRECTION)


# --- the verdict -------------------------------------------------------------------------------


def judge(got: Outcome | None, right: Reference) -> str:
    """The verdict, the first of these that holds.

    - ``error``: the computation stops;
    - ``NaN``: the loss, or an entry of a gradient, is not finite;
    - ``huge``: a gradient is more than :data:`HUGE` times the natural pull;
    - ``dead``: the own prototype's gradient is exactly 0, and should be at least
      :data:`NOTHING` of the natural pull;
    - ``wrong``: the loss, or a gradient, is off by more than :data:`TOLERANCE`;
    - ``flat``: right, but the formula itself gives the own prototype no gradient, although
      x is not on it and the loss is above 0.001;
    - ``ok``.
    """
    if got is None:
        return ERROR
    parts = (got.of_x, got.of_w)
    if not (math.isfinite(got.loss) and got.finite and all(v.isfinite().all() for v in parts)):
        return NAN
    if max(float(v.norm()) for v in parts) > HUGE * right.natural > 0:
        return EXPLODED
    if not right.known:  # the formula has no number here: a finite one will do
        return OK
    nothing = NOTHING * right.natural
    pull = float(right.of_w[0].norm())
    if not got.of_w[0].any() and pull > nothing:
        return DEAD
    if abs(got.loss - right.loss) > TOLERANCE * max(1.0, abs(right.loss)):
        return WRONG
    for mine, true in zip(parts, (right.of_x, right.of_w), strict=True):
        if float((mine - true).norm()) > TOLERANCE * float(true.norm()) + nothing:
            return WRONG
    if pull <= nothing and not right.met and right.loss > 1e-3:
        return FLAT
    return OK


# --- the matrix --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """The verdicts of one implementation: a row a form, a column a hard input."""

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    verdicts: dict[tuple[str, str], str]

    def counts(self) -> dict[str, int]:
        """How many cells have each verdict."""
        found = Counter(self.verdicts.values())
        return {verdict: found[verdict] for verdict in VERDICTS}

    def cells(self, verdict: str) -> list[tuple[str, str]]:
        """The cells with a verdict."""
        check_name("verdict", verdict, VERDICTS)
        return [cell for cell, found in self.verdicts.items() if found == verdict]


DRAWS = {"smoke": 1, "quick": 1, "full": 20}


def matrices(
    profile: str = "quick",
    seed: int = 0,
    implementations: Sequence[str] = IMPLEMENTATIONS,
    columns: Sequence[str] = tuple(INPUTS),
) -> dict[str, Matrix]:
    """The verdicts of each implementation on all forms and inputs, the worst of some draws."""
    check_name("profile", profile, PROFILES)
    forms = tuple(naive.FUNCTIONS)
    verdicts: dict[str, dict[tuple[str, str], str]] = {name: {} for name in implementations}
    for column, form in product(columns, forms):
        for case in draws(column, DRAWS[profile], seed):
            right = [reference_of(layer, form, case) for layer in (False, True)]
            for name, found in verdicts.items():
                now = judge(outcome(name, form, case), right[name == "released layers"])
                before = found.get((form, column), OK)
                found[form, column] = max(before, now, key=VERDICTS.index)
    return {name: Matrix(name, forms, tuple(columns), v) for name, v in verdicts.items()}


def draws(column: str, number: int, seed: int = 0) -> list[Case]:
    """Some cases of a kind of input."""
    check_name("input", column, INPUTS)
    generator = torch.Generator().manual_seed(seed)
    return [INPUTS[column](generator) for _ in range(number)]


def examine(distance: hl.Distance, profile: str = "smoke", seed: int = 0) -> dict[str, str]:
    """The verdicts on a distance of one's own, against itself in float64; and a gradcheck.

    What the code loses in both precisions goes unseen. Inputs where the float64 run has no
    number itself are judged by whether the float32 run is finite.
    """
    exact = copy.deepcopy(distance).double()
    found = {"gradcheck in float64": checked(exact, seed)}
    for column in INPUTS:
        verdicts = []
        for case in draws(column, DRAWS[profile], seed):
            n = EXPONENT if case.exponent is None else case.exponent
            got = differentiate(of_module(distance), case, n, tuple(distance.parameters()))
            verdicts.append(judge(got, reference(exact, case, n)))
        found[column] = max(verdicts, key=VERDICTS.index)
    return found


def checked(distance: hl.Distance, seed: int) -> str:
    """Whether the gradient of a distance in float64 agrees with finite differences."""
    case = plain(torch.Generator().manual_seed(seed))
    x, w = (v.double().requires_grad_() for v in (case.x, case.w[:3]))
    right = torch.autograd.gradcheck(distance, (x, w), raise_exception=False)
    return OK if right else WRONG
