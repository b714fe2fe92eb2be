"""Every form of every distance, as the specifications list them, for the tests to go through."""

from __future__ import annotations

import torch

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
