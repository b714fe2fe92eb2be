"""Every form of every distance, as the specifications list them, for the tests to go through."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import expit, logsumexp

import harmonic_lib as hl

FORMS = [form for spec in hl.DISTANCES.values() for form in spec.every_form()]


def name_of(form: hl.DistanceSpec) -> str:
    """A name for the test's own: ``canberra-robust``."""
    return f"{form.name}-{form.form}".rstrip("-").replace(" ", "")


def build(form: hl.DistanceSpec, dim: int) -> hl.Distance:
    """The distance, with parameters (where it has any) that are random and not the first ones."""
    if not form.learns:
        return hl.distance(form.name, **form.options)
    distance = hl.distance(form.name, dim=dim, **form.options)
    with torch.no_grad():
        for parameter in distance.parameters():
            parameter.normal_(std=0.3)
    return distance


def exact(distance: Any, x: Any, w: Any) -> np.ndarray:
    """What ``distance`` should give: by SciPy in float64 where it can, else by the formula.

    Where SciPy has no number for a pair, it is the one that the docstring of the distance says.
    """
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    rows = x.reshape(-1, x.shape[-1])
    d = by_scipy(distance, rows, w) if distance.spec.scipy else by_formula(distance, rows, w)
    return d.reshape(*x.shape[:-1], len(w))


def by_scipy(distance: Any, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    name, options = distance.spec.name, {}
    if name == "minkowski":
        options = {"p": distance.p}
    if name == "mahalanobis":
        options = {"VI": distance.precision.detach().double().numpy()}
    if name == "hamming":
        x, w = x > distance.threshold, w > distance.threshold
    with np.errstate(invalid="ignore", divide="ignore"):
        d = cdist(x, w, metric=distance.spec.scipy, **options)
    if name == "cosine":
        return np.nan_to_num(d, nan=1.0)  # a zero vector
    if name == "bray_curtis":
        return np.nan_to_num(d, nan=0.0, posinf=2.0**52)  # two zero vectors; opposite ones
    return d


def by_formula(distance: Any, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    x, size, gap = x[:, None], abs(x[:, None]) + abs(w), abs(x[:, None] - w)
    match name_of(distance.spec):
        case "chebyshev-smooth":
            alpha = distance.smooth
            return (logsumexp(alpha * gap, axis=-1) - np.log(x.shape[-1])) / alpha
        case "hamming-soft" | "hamming-gumbel":  # gumbel: in evaluation
            a, b = ((v - distance.threshold) / distance.temperature for v in (x, w))
            flip = np.where(a + b > 0, -1, 1)  # beside 0, where a sigmoid has its digits
            return abs(expit(flip * a) - expit(flip * b)).mean(-1)
        case "canberra-robust":
            return (gap / np.maximum(size, distance.min_denom)).sum(-1)
        case "canberra-weighted":
            weight = size**distance.weight_power
            return quotient((weight * quotient(gap, size)).sum(-1), weight.sum(-1))
        case "bray_curtis-abs":
            return quotient(gap.sum(-1), size.sum(-1))
        case "bray_curtis-normalized":
            part, other = (quotient(abs(v), abs(v).sum(-1, keepdims=True)) for v in (x, w))
            nothing = ~x.any(-1) | ~w.any(-1)  # a zero vector has no composition
            return np.where(nothing, 1.0, abs(part - other).sum(-1) / 2)
    raise NotImplementedError(f"no case for {name_of(distance.spec)} in by_formula")


def quotient(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, with 0 / 0 = 0."""
    return part / np.where(whole == 0, 1.0, whole)
