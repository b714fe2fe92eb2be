"""The implementations under test, differentiated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.chapters.distances.gradient_health import textbook as formulas
from harmonic_lib.chapters.distances.gradient_health.cases import (
    EXPONENT,
    OWN,
    WIDTH,
    Case,
    Loss,
    Pairs,
)
from harmonic_lib.checks import check_name


@dataclass(frozen=True)
class Outcome:
    """A loss, its gradients in x and in w, and whether all other gradients are finite."""

    loss: float
    of_x: Tensor
    of_w: Tensor
    finite: bool = True


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
    """The function of ``textbook.py``, on all pairs."""
    function: Pairs = formulas.FUNCTIONS[form]
    if form.startswith("mahalanobis"):
        function = partial(formulas.mahalanobis, precision=precision("diagonal" in form))
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
        loss = formulas.power_loss if implementation.endswith("powers") else formulas.log_loss
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


def straight_through(
    x: Tensor, w: Tensor, temperature: float, threshold: float, centre: float
) -> Tensor:
    """The share of bits that differ, with the soft bits' slopes there, and none elsewhere."""
    x = x.unsqueeze(-2)
    step = (x > threshold).to(x.dtype) - (w > threshold).to(x.dtype)
    soft = ((x - centre) / temperature).sigmoid() - ((w - centre) / temperature).sigmoid()
    return (step * (step + (soft - soft.detach()))).mean(-1)
