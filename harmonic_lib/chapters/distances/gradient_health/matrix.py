"""A lab for the gradients of distance losses: hard inputs, an exact reference, a verdict.

A case is one input x (1, D) and K prototypes, of which the first is the right one, so that the
gradient in row 0 is that of the *own* prototype. An implementation is judged against the same
formula in float64, with the few conventions of :func:`reference`.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

import harmonic_lib as hl
from harmonic_lib.chapters.distances.gradient_health import textbook
from harmonic_lib.chapters.distances.gradient_health.cases import (
    DRAWS,
    EXPONENT,
    HUGE,
    INPUTS,
    draws,
    plain,
)
from harmonic_lib.chapters.distances.gradient_health.implementations import (
    IMPLEMENTATIONS,
    Outcome,
    differentiate,
    of_module,
    outcome,
)
from harmonic_lib.chapters.distances.gradient_health.reference import (
    Reference,
    reference,
    reference_of,
)
from harmonic_lib.checks import check_name
from harmonic_lib.experiments.profiles import PROFILES

TOLERANCE = 0.02
"""How far off a loss or a gradient may be, relative to the right one (a loss: to 1 at least)."""
NOTHING = 1e-3
"""A gradient below this part of the natural pull, n / |x - w| with the nearest prototype that is
not x itself, counts as none."""

VERDICTS = ("ok", "flat", "wrong", "dead", "huge", "NaN", "error")
OK, FLAT, WRONG, DEAD, EXPLODED, NAN, ERROR = VERDICTS
"""From best to worst. Of several draws, the worst counts."""


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


def matrices(
    profile: str = "quick",
    seed: int = 0,
    implementations: Sequence[str] = IMPLEMENTATIONS,
    columns: Sequence[str] = tuple(INPUTS),
) -> dict[str, Matrix]:
    """The verdicts of each implementation on all forms and inputs, the worst of some draws."""
    check_name("profile", profile, PROFILES)
    forms = tuple(textbook.FUNCTIONS)
    verdicts: dict[str, dict[tuple[str, str], str]] = {name: {} for name in implementations}
    for column, form in product(columns, forms):
        for case in draws(column, DRAWS[profile], seed):
            right = [reference_of(layer, form, case) for layer in (False, True)]
            for name, found in verdicts.items():
                now = judge(outcome(name, form, case), right[name == "released layers"])
                before = found.get((form, column), OK)
                found[form, column] = max(before, now, key=VERDICTS.index)
    return {name: Matrix(name, forms, tuple(columns), v) for name, v in verdicts.items()}


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
