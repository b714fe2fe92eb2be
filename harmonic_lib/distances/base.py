"""What every distance shares: one interface, one table of facts, one set of checks."""

from __future__ import annotations

import math
from ast import literal_eval
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path

import torch
from torch import Tensor, nn

from harmonic_lib.checks import check_name


@dataclass(frozen=True)
class DistanceSpec:
    """What is known of a distance, in one of its forms, before anything is computed.

    Attributes:
        formula: LaTeX of d(x, w).
        metric: whether it satisfies the four axioms of a metric on its domain.
        homogeneity: the degree h with d(ax, aw) = a^h d(x, w) for all a > 0; None: there is none.
        separate_homogeneity: 0 where d(ax, bw) = d(x, w) for all a, b > 0; else None.
        domain: the vectors on which the formula means what it says.
        scipy: its name in ``scipy.spatial.distance``; None where SciPy does not have it.
        cost: arithmetic for one pair of vectors of D numbers.
        exponent: the default exponent of a head: "2D", "D" or "sqrt(D)".
        start: where a head draws its prototypes: "apart", "near the origin" or "near each other".
        learns: its parameters; None for most.
        claim: what the abstract and the figures of Miller-Golub et al. 2026 say or show of it, or
            that their released code has it; the body of their paper was not read.
        intuition: one line for a reader who meets it for the first time.
        form, options: the name of the form, and the arguments that build it.
        forms: the other forms of the same family.
    """

    name: str
    formula: str
    metric: bool
    homogeneity: int | None
    domain: str
    scipy: str | None
    cost: str
    exponent: str
    claim: str
    intuition: str
    start: str = "apart"
    separate_homogeneity: int | None = None
    learns: str | None = None
    form: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    forms: tuple[DistanceSpec, ...] = ()

    def every_form(self) -> Iterator[DistanceSpec]:
        """This form and all the others of the family."""
        yield self
        yield from self.forms


def read_facts(path: Path) -> dict[str, DistanceSpec]:
    """The table of facts: by name, the default form of each distance with its other forms."""
    facts = ConfigParser(interpolation=None)
    facts.read_string(path.read_text(encoding="utf-8"))
    read: dict[str, DistanceSpec] = {}
    for section in facts.sections():
        name, _, form = section.partition(": ")
        texts = dict(facts[name]) | dict(facts[section]) | ({"form": form} if form else {})
        values: dict[str, object] = {key: text or None for key, text in texts.items()}
        for key in ("metric", "homogeneity", "separate_homogeneity", "options"):
            values[key] = literal_eval(texts.get(key) or "None")
        values["options"] = values["options"] or {}
        spec = DistanceSpec(name=name, **values)  # type: ignore[arg-type]
        family = read.get(name, spec)
        read[name] = replace(family, forms=(*family.forms, spec)) if form else spec
    return read


DISTANCES = read_facts(Path(__file__).with_name("facts.ini"))
"""Every distance that ``distance`` can build, by name, in its default form."""


class Distance(nn.Module):
    """d(x, w) between inputs and prototypes: ``(..., D), (K, D) -> (..., K)``.

    A subclass implements :meth:`pairwise`. It may assume checked shapes and one
    floating dtype of at least single precision: half-precision input, and input
    under autocast, is computed and returned in float32, because a distance is a
    difference of close numbers and half precision keeps too few digits of it.

    Raises:
        TypeError: ``x`` or ``w`` is not a floating-point tensor.
        ValueError: their shapes do not fit; the message shows both.
    """

    spec: DistanceSpec

    def __init__(self) -> None:  # so that a distance without options is seen to take none
        super().__init__()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        check_inputs(x, w)
        dtype = torch.promote_types(torch.promote_types(x.dtype, w.dtype), torch.float32)
        x, w = x.to(dtype), w.to(dtype)
        with without_autocast(x):
            return self.pairwise(x, w)

    def pairwise(self, x: Tensor, w: Tensor) -> Tensor:
        """The distance itself, for ``x`` of shape (..., D) and ``w`` of shape (K, D)."""
        raise NotImplementedError

    def options(self) -> dict[str, object]:
        """The arguments that build it, but for tensors: those whose value it still has."""
        known = {"form": self.spec.form} if getattr(self, "spec", None) else {}
        known |= {k: v for k, v in vars(self).items() if not isinstance(v, Tensor)}
        return {name: known[name] for name in signature(type(self)).parameters if name in known}

    def default_exponent(self, dim: int) -> float:
        """The exponent of a head of ``dim`` features that is given none; D without facts."""
        known = self.spec.exponent if getattr(self, "spec", None) else "D"
        return {"2D": 2.0 * dim, "D": float(dim), "sqrt(D)": math.sqrt(dim)}[known]

    @property
    def start(self) -> str:
        """Where a head draws its prototypes; "apart" without facts."""
        return self.spec.start if getattr(self, "spec", None) else "apart"

    def extra_repr(self) -> str:
        form = [self.spec.form] if getattr(self, "spec", None) and self.spec.form else []
        return ", ".join(form + [f"{k}={v:g}" for k, v in vars(self).items() if type(v) is float])


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """No autocast on the device of ``x``, where that has one; "meta", for one, has not."""
    if not torch.amp.is_autocast_available(x.device.type):
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def form_of(spec: DistanceSpec, form: str) -> DistanceSpec:
    """The specification of one form, by its name."""
    forms = {each.form: each for each in spec.every_form()}
    check_name(f"form of {spec.name}:", form, forms)
    return forms[form]


def check_inputs(x: Tensor, w: Tensor) -> None:
    """Refuse anything but floating ``x`` of shape (..., D) and ``w`` of shape (K, D)."""
    for label, tensor in (("x", x), ("w", w)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{label} must be a tensor, got {type(tensor).__name__}")
        if not tensor.is_floating_point():
            raise TypeError(f"{label} must be a floating-point tensor, got {tensor.dtype}")
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[-1] or w.numel() == 0:
        raise ValueError(
            "expected x of shape (..., D) and w of shape (K, D) with one D >= 1 and K >= 1, "
            f"got x {tuple(x.shape)} and w {tuple(w.shape)}"
        )
    if x.device != w.device:
        raise ValueError(f"expected x and w on one device, got x {x.device} and w {w.device}")
