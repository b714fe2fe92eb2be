"""The stories of the chapter on gradient health: one measurement each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.chapters.distances.gradient_health import (
    cases,
    implementations,
    reference,
    textbook,
)
from harmonic_lib.checks import check_name
from harmonic_lib.experiments.profiles import PROFILES

PAIRS = {"smoke": 64, "quick": 128, "full": 1024}
VOCABULARY = {"smoke": 500, "quick": 50_304, "full": 50_304}
POINTS = {"smoke": 8, "quick": 22, "full": 50}


def pairs(
    length: float, gap: float, number: int, seed: int, width: int = 768
) -> tuple[Tensor, Tensor]:
    """x and w (number, width) in float64: w is a gap from x in a random direction."""
    generator = torch.Generator().manual_seed(seed)
    x, direction = torch.randn(2, number, width, dtype=torch.float64, generator=generator)
    x = length * x / x.norm(dim=-1, keepdim=True)
    return x, x + gap * direction / direction.norm(dim=-1, keepdim=True)


# --- small distances ---------------------------------------------------------------------------
EUCLIDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "by differences": lambda x, w: textbook.euclidean(x.unsqueeze(-2), w),
    "by expansion": lambda x, w: textbook.expansion(x.unsqueeze(-2), w),
    "torch.cdist": torch.cdist,
    "harmonic_lib": hl.distance("euclidean"),
}


def at_a_match() -> dict[str, tuple[float, float]]:
    """The Euclidean distance of x = w by each way, and the length of its gradient in w."""
    found = {}
    for name, distance in EUCLIDS.items():
        x = torch.tensor([[3.0, 4.0]])
        w = x.clone().requires_grad_()
        d = distance(x, w)
        (grad,) = torch.autograd.grad(d.sum(), w)
        found[name] = float(d.detach()), float(grad.norm())
    return found


@dataclass(frozen=True)
class Small:
    """What a way of computing makes of distances near ``true``: the median; how many are 0."""

    name: str
    true: float
    median: float
    zeros: int
    number: int


def small_distances(
    length: float = 100.0,
    gaps: Sequence[float] = (1.0, 0.3, 0.09, 0.03),
    profile: str = "quick",
    seed: int = 0,
) -> Iterator[Small]:
    """Euclidean distances between long vectors in float32, by each way; the true ones are of
    the rounded vectors."""
    check_name("profile", profile, PROFILES)
    for gap in gaps:
        x, w = (v.float() for v in pairs(length, gap, PAIRS[profile], seed))
        true = float((x.double() - w.double()).norm(dim=-1).median())
        for name, distance in EUCLIDS.items():
            d = distance(x, w).diagonal()
            yield Small(name, true, float(d.nanmedian()), int((d == 0).sum()), len(d))


@dataclass(frozen=True)
class Expanded:
    """Squared distances in one precision: the true one, and medians of four computations.

    expansion: as released, by squares of lengths; sums: by sums of squares; negative: the share
    of the former below 0.
    """

    dtype: torch.dtype
    true: float
    expansion: float
    negative: float
    sums: float
    differences: float
    ours: float


def expansions(profile: str = "quick", seed: int = 0) -> Iterator[Expanded]:
    """Squared distances of vectors of squared length 768: the released expansion, beside others.

    The true one is that of the vectors before they were rounded.
    """
    check_name("profile", profile, PROFILES)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for true in (1.0, 1e-2, 1e-4):
            both = pairs(math.sqrt(768), math.sqrt(true), PAIRS[profile], seed)
            x, w = (v.to(dtype) for v in both)
            q = released.layers.squared_euclidean(x, w, 0.0).diagonal().double()
            sums = x.square().sum(-1) + w.square().sum(-1) - 2 * (x * w).sum(-1)
            direct = (x - w).square().sum(-1).double()
            ours = hl.distance("euclidean")(x, w).diagonal().double().square()
            yield Expanded(
                dtype,
                true,
                float(q.median()),
                float((q < 0).double().mean()),
                float(sums.median()),
                float(direct.median()),
                float(ours.median()),
            )


def flipped(seed: int = 0, gap: float = 3e-3) -> tuple[Tensor, Tensor]:
    """An x (1, 768) and five prototypes, the nearest of which gets a negative d² by expansion.

    The nearest is one gap away, the second two; the others are elsewhere, as long as x.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        drawn = torch.randn(6, 768, dtype=torch.float64, generator=generator)
        drawn *= math.sqrt(768) / drawn.norm(dim=-1, keepdim=True)
        directions = F.normalize(
            torch.randn(2, 768, dtype=torch.float64, generator=generator), dim=-1
        )
        drawn[1:3] = drawn[0] + gap * torch.tensor([[1.0], [2.0]], dtype=torch.float64) * directions
        x, w = drawn[:1].float(), drawn[1:].float()
        if released.layers.squared_euclidean(x, w, 0.0)[0, 0] < 0:
            return x, w


# --- the similarity floor ----------------------------------------------------------------------
@dataclass(frozen=True)
class FloorCurve:
    """The length of the gradient in the own prototype, by the ratio of squared distances."""

    ratios: Tensor
    released: Tensor
    ours: Tensor
    classes: int
    exponent: float

    @property
    def end(self) -> float:
        """The ratio from which on the released similarity is held at 1e-8."""
        return float(1e8 ** (1 / self.exponent))

    @property
    def half(self) -> float:
        """The first ratio where the released gradient is less than half of ours."""
        return float(self.ratios[self.released < self.ours / 2][0])

    @property
    def last(self) -> float:
        """The last ratio with a released gradient."""
        return float(self.ratios[self.released > 0][-1])


def floor_curve(profile: str = "quick", exponent: float = 768.0) -> FloorCurve:
    """A wrong prototype at distance 1 and the own one a little farther; the others at 10.

    As in the released language models: similarities d^(-2n), floored, and normalised with
    0.01 / K added; beside harmonic logits of the same sharpness.
    """
    check_name("profile", profile, PROFILES)
    classes = VOCABULARY[profile]
    ratios = torch.linspace(1, 1.03, 61, dtype=torch.float64)
    x = torch.zeros(1, 3)
    w = torch.zeros(classes, 3)
    w[:, 2] = 10.0
    w[1] = torch.tensor([1.0, 0.0, 0.0])
    theirs: list[float] = []
    ours: list[float] = []
    for ratio in ratios:
        w[0] = torch.tensor([0.0, math.sqrt(float(ratio)), 0.0])
        leaf = w.clone().requires_grad_()
        s = released.similarity("euclidean", x, leaf, n=exponent, eps=0.0)
        d = hl.distance("euclidean")(x, leaf)
        for z, lengths in (
            (released.logits(s, "floored"), theirs),
            (hl.harmonic_logits(d, 2 * exponent), ours),
        ):
            (grad,) = torch.autograd.grad(F.cross_entropy(z, cases.OWN), leaf)
            lengths.append(float(grad[0].norm()))
    return FloorCurve(ratios, torch.tensor(theirs), torch.tensor(ours), classes, exponent)


# --- clamp or add ------------------------------------------------------------------------------
def guards(distances: Tensor, eps: float = 1e-4, exponent: float = 2.0) -> dict[str, Tensor]:
    """How hard an own prototype at each distance d is pulled, with another at 0.8 d: |dL / dd|.

    The other one does not move, so that its own pull does not count. For the distance as it
    is, for d² clamped at eps, and for eps added to d².
    """
    guarded: dict[str, Callable[[Tensor], Tensor]] = {
        "nothing added": lambda d: d,
        "d² clamped": lambda d: textbook.clamped(d.square(), eps),
        "eps added to d²": lambda d: textbook.padded(d.square(), eps),
    }
    pulls = {}
    for name, guard in guarded.items():
        d = distances.double().clone().requires_grad_()
        both = torch.stack([guard(d), guard(0.8 * d.detach())], -1)
        z = hl.harmonic_logits(both, exponent)
        loss = F.cross_entropy(z, torch.zeros(len(d), dtype=torch.long), reduction="sum")
        (grad,) = torch.autograd.grad(loss, d)
        pulls[name] = grad.abs()
    return pulls


def padding_violation(
    eps: float,
    exponent: float = 2.0,
    guard: Callable[[Tensor, float], Tensor] = textbook.padded,
) -> float:
    """How far, relative to the peak, the slope of -n log d is from n d / (d² + eps), or its
    largest from n / (2 sqrt(eps)), where ``guard`` guards d² by eps."""
    d = (math.sqrt(eps) * torch.logspace(-4, 4, 801, dtype=torch.float64)).requires_grad_()
    z = -exponent * guard(d.square(), eps).log()
    (slope,) = torch.autograd.grad(-z.sum(), d)
    peak = exponent / (2 * math.sqrt(eps))
    formula = exponent * d.detach() / (d.detach().square() + eps)
    return max(float((slope - formula).abs().max()), abs(float(slope.max()) - peak)) / peak


# --- on the way to a prototype -----------------------------------------------------------------
@dataclass(frozen=True)
class Approach:
    """The gradient in the own prototype over n, by its gap from x: a tensor a computation."""

    form: str
    gaps: Tensor
    pulls: dict[str, Tensor]


FAMILIES = (
    "euclidean",
    "manhattan",
    "minkowski p >= 1",
    "chebyshev maximum",
    "cosine",
    "hamming soft",
    "canberra standard",
    "bray_curtis standard",
    "mahalanobis full",
)


def approach(form: str, profile: str = "quick", seed: int = 0) -> Approach:
    """A path to the own prototype, with another one always a little nearer."""
    check_name("profile", profile, PROFILES)
    gaps = torch.logspace(-6, 1, POINTS[profile])
    names = {"textbook, logarithms": cases.EXPONENT, "released layers": 1.0}
    names["harmonic_lib, logits"] = cases.EXPONENT
    pulls: dict[str, list[float]] = {name: [] for name in ("exact", *names)}
    for gap in gaps.tolist():
        case = cases.close(torch.Generator().manual_seed(seed), length=8.0, gap=gap)
        right = reference.reference_of(False, form, case)
        pulls["exact"].append(float(right.of_w[0].norm()) / cases.EXPONENT)
        for name, n in names.items():
            got = implementations.outcome(name, form, case)
            size = math.nan if got is None else float(got.of_w[0].norm()) / n
            pulls[name].append(size)
    return Approach(form, gaps, {name: torch.tensor(values) for name, values in pulls.items()})


# --- where ours is 0, or jumps, by design ------------------------------------------------------
def slopes(distance: hl.Distance, x: Sequence[float], w: Sequence[float]) -> list[float]:
    """The gradient in w of one distance, in float64."""
    leaf = torch.tensor([w], dtype=torch.float64, requires_grad=True)
    d = distance(torch.tensor([x], dtype=torch.float64), leaf)
    (grad,) = torch.autograd.grad(d.sum(), leaf)
    return [round(value, 6) + 0.0 for value in grad[0].tolist()]
