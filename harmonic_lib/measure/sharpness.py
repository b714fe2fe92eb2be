"""How sharp a harmonic head is on given data, and the exponent that gives it a chosen sharpness."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.checks import check_number
from harmonic_lib.distances import DISTANCES, Distance, DistanceSpec, distance
from harmonic_lib.harmax import as_float, floor


def spread_of_logs(dist: Tensor) -> float:
    """The spread of log d: its standard deviation over the classes, on average over the inputs.

    The sharpness of a harmonic head is the spread of its logits -n log d: n times this.

    Args:
        dist: distances, (..., K); one below the floor of its dtype counts as the floor,
            as in the logits. The deviation is that of the K classes themselves (divisor K).

    Raises:
        TypeError: ``dist`` is not a floating-point tensor.
    """
    dist = as_float(dist).detach()
    logs = dist.clamp_min(floor(dist.dtype)).double().log()
    return float(logs.std(-1, correction=0).mean())


def matched_exponent(dist: Tensor, sharpness: float = 1.0) -> float:
    """The exponent at which a harmonic head with these distances has this sharpness.

    Raises:
        ValueError: ``sharpness`` is not a positive finite number, or all classes are equally
            far from every input, so that no exponent will do.
    """
    spread = spread_of_logs(dist)
    check_number("the spread of the log-distances", spread)
    return check_number("sharpness", sharpness) / spread


def build(spec: DistanceSpec, dim: int) -> Distance:
    """The distance of a specification for vectors of ``dim`` numbers, out of training mode."""
    options = {"dim": dim} | dict(spec.options) if spec.learns else dict(spec.options)
    return distance(spec.name, **options).eval()


@torch.no_grad()
def spread_of_every_form(x: Tensor, w: Tensor) -> dict[str, float]:
    """:func:`spread_of_logs` for each form of each distance, as "name" or "name: form"."""
    spreads = {}
    for spec in DISTANCES.values():
        for form in spec.every_form():
            name = form.name if form is spec else f"{form.name}: {form.form}"
            spreads[name] = spread_of_logs(build(form, x.shape[-1])(x, w))
    return spreads
