"""Bounds on the error of a prototype classifier."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.measure.margins import distance_margin, squared_margin

BoundOf = Callable[[Tensor, Tensor, Tensor], float]  # inputs, classes, prototypes -> a bound


@dataclass(frozen=True)
class Bound:
    """A bound on the share of errors, and what it is made of.

    value: the bound, by the inverse of the binary relative entropy; at most 1.
    margin, scale: the pair of the grid that gave the smallest: the margin, and the deviation
        of the prior (metric bound) or the margin in deviations of the noise (squared bound).
    margin_error: the share of the sample at or below the margin.
    complexity: the relative entropy between posterior and prior, in nats.
    charge: complexity and confidence per example, the second argument of the inverse.
    """

    value: float
    margin: float
    scale: float
    margin_error: float
    complexity: float
    charge: float


def metric_bound(
    x: Tensor,
    y: Tensor,
    w: Tensor,
    centre: Tensor,
    radius: float,
    delta: float = 0.05,
    steps: int = 24,
) -> Bound:
    r"""The metric bound, for the Euclidean distance: volume of the room that the margin leaves.

    Over the grid of margins and prior deviations :math:`\rho 2^{-i/2}`, i < ``steps``, all of
    them at once with probability ``1 - delta``. Centre and radius must not come from the data.
    """
    x, w, centre = x.double(), w.double(), centre.double()
    margins = distance_margin(torch.cdist(x, w), y)
    spread = float((w - centre).square().sum())
    lengths = [radius * 2 ** (-i / 2) for i in range(steps)]
    fixed = confidence(len(x), delta / steps**2)
    tried = []
    for margin, deviation in product(lengths, lengths):
        ball = log_ball_mass(w.shape[1], margin / (4 * deviation))
        complexity = spread / (2 * deviation**2) - len(w) * ball
        missed = float((margins <= margin).double().mean())
        tried.append((margin, deviation, missed, complexity))
    return smallest(tried, [1.0] * len(tried), [row[2] for row in tried], fixed, len(x))


def squared_bound(
    x: Tensor,
    y: Tensor,
    w: Tensor,
    centre: Tensor,
    radius: float,
    delta: float = 0.05,
    steps: int = 24,
    widths: Sequence[float] = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0),
) -> Bound:
    r"""The squared bound: Euclidean prototypes as a linear classifier in D + 1 dimensions.

    Over the grid of margins :math:`\theta = \rho 2^{-i/2}`, i < ``steps``, and of their
    widths :math:`\kappa`. Centre, radius and grid must not come from the data.
    """
    x, w, centre = x.double(), w.double(), centre.double()
    margins = squared_margin(x, w, y, centre, radius)
    lifted = lift_prototypes(w, centre, radius)
    spread = float((lifted - lifted.mean(0)).square().sum())
    fixed = confidence(len(x), delta / steps / len(widths))
    tried, right, wrong = [], [], []
    for margin, width in product([radius * 2 ** (-i / 2) for i in range(steps)], widths):
        missed = float((margins <= margin).double().mean())
        stray = (len(w) - 1) * normal_cdf(-width)
        tried.append((margin, width, missed, 4 * width**2 * spread / margin**2))
        right.append(normal_cdf(width))
        wrong.append(min(1.0, missed + (1 - missed) * stray))
    return smallest(tried, right, wrong, fixed, len(x))


def held_out_bound(x: Tensor, y: Tensor, w: Tensor, delta: float = 0.05) -> float:
    """The bound for prototypes that were fixed before this sample was looked at."""
    missed = torch.tensor(error(x.double(), y, w.double())).double()
    charge = torch.tensor(confidence(len(x), delta) / len(x)).double()
    return float(kl_inverse(missed, charge))


def size_needed(bound: Bound, target: float, delta: float = 0.05, steps: int = 24) -> int:
    """How many examples the metric bound would need to be ``target``, at the same pair.

    If margin error and complexity stayed as they are: a reckoning, not a promise.

    Raises:
        ValueError: ``target`` is not above the margin error, so that no number is enough.
    """
    if target <= bound.margin_error:
        raise ValueError(f"target must be above {bound.margin_error:g}, got {target:g}")
    pair = torch.tensor([bound.margin_error, target]).double()
    room = float(binary_kl(pair[0], pair[1]))

    def enough(size: int) -> bool:
        return bound.complexity + confidence(size, delta / steps**2) <= room * size

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        midpoint = (low + high) // 2
        low, high = (low, midpoint) if enough(midpoint) else (midpoint, high)
    return high


def smallest(
    tried: Sequence[tuple[float, float, float, float]],
    divisors: Sequence[float],
    seen: Sequence[float],
    fixed: float,
    size: int,
) -> Bound:
    """The pair of the grid with the smallest bound; of equal ones, that with the least charge.

    A row's bound is the inverse at ``seen`` and (complexity + fixed) / size, over ``divisors``.
    """
    charges = torch.tensor([complexity + fixed for *_, complexity in tried]).double() / size
    limits = kl_inverse(torch.tensor(seen).double(), charges) / torch.tensor(divisors).double()
    limits = limits.clamp_max(1)
    best = min(range(len(tried)), key=lambda i: (round(float(limits[i]), 9), float(charges[i])))
    margin, scale, missed, complexity = tried[best]
    return Bound(float(limits[best]), margin, scale, missed, complexity, float(charges[best]))


def binary_kl(q: Tensor, p: Tensor) -> Tensor:
    r"""Relative entropy of two coins, :math:`q \log(q/p) + (1-q) \log((1-q)/(1-p))`."""
    return torch.xlogy(q, q / p) + torch.xlogy(1 - q, (1 - q) / (1 - p))


def kl_inverse(q: Tensor, charge: Tensor) -> Tensor:
    """The largest p in [q, 1] whose relative entropy from q is at most ``charge``, from above."""
    low, high = q.clone(), torch.ones_like(q)
    for _ in range(60):
        midpoint = (low + high) / 2
        inside = binary_kl(q, midpoint) <= charge  # False for a nan, at middle = 1
        low, high = torch.where(inside, midpoint, low), torch.where(inside, high, midpoint)
    return high


def log_moment(size: int) -> float:
    r"""The logarithm of :math:`\xi(N) = \sum_k \binom Nk (k/N)^k (1 - k/N)^{N-k}`."""
    k = torch.arange(size + 1, dtype=torch.float64)
    choose = math.lgamma(size + 1) - torch.lgamma(k + 1) - torch.lgamma(size - k + 1)
    terms = choose + torch.xlogy(k, k / size) + torch.xlogy(size - k, 1 - k / size)
    return float(terms.logsumexp(0))


def confidence(size: int, delta: float) -> float:
    r"""What certainty costs, :math:`\log(\xi(N) / \delta)`."""
    return log_moment(size) - math.log(delta)


@lru_cache(maxsize=4096)
def log_ball_mass(dim: int, radius: float) -> float:
    """The log probability that a standard normal vector is at most ``radius`` long.

    By the series of the incomplete gamma function, whose terms are all positive: nothing
    underflows, however small the ball. A ball that holds nearly everything is taken a little
    smaller, which errs on the safe side.
    """
    a = dim / 2
    half = min(radius**2 / 2, a + 10 * math.sqrt(a) + 50)
    m = torch.arange(200 + int(4 * half), dtype=torch.float64)
    terms = (a + m) * math.log(half) - half - torch.lgamma(a + m + 1)
    return min(0.0, float(terms.logsumexp(0)))


def normal_cdf(value: float) -> float:
    """The probability that a standard normal number is at most ``value``."""
    return math.erfc(-value / math.sqrt(2)) / 2


def lift_inputs(x: Tensor, centre: Tensor, radius: float) -> Tensor:
    r"""Inputs of the linear form, :math:`(x - a, \rho)`: (N, D) -> (N, D + 1)."""
    return F.pad(x - centre, (0, 1), value=radius)


def lift_prototypes(w: Tensor, centre: Tensor, radius: float) -> Tensor:
    r"""Weights of the linear form, :math:`(w - a, -\lVert w - a \rVert^2 / 2 \rho)`."""
    shifted = w - centre
    return torch.cat([shifted, -shifted.square().sum(1, keepdim=True) / (2 * radius)], 1)


def reported_term(x: Tensor, y: Tensor, w: Tensor) -> float:
    r"""The first term as reported, :math:`R \lVert W \rVert / (\gamma \sqrt N)`, without its O.

    The margin is the smallest on the sample: inf where a point is wrong or tied.
    """
    margin = float(distance_margin(torch.cdist(x, w), y).min())
    if margin <= 0:
        return math.inf
    return float(x.norm(dim=1).max() * w.norm()) / (margin * math.sqrt(len(x)))


def adversary(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prototypes that are right on a sample and wrong on everything else.

    The population is the 4N unit vectors of 4N dimensions, in two classes. N are drawn, with
    replacement.

    Returns:
        The population (4N, 4N), its classes (4N,), the rows drawn (N,), the prototypes (2, 4N).
    """
    population = torch.eye(4 * size, dtype=torch.float64)
    classes = torch.arange(4 * size) % 2
    rows = torch.randint(4 * size, (size,), generator=torch.Generator().manual_seed(size))
    sign = 1.0 - 2.0 * classes.double()  # + for class 0
    unseen = torch.ones(4 * size, dtype=torch.bool)
    unseen[rows] = False
    v = torch.where(unseen, -sign, sign)
    return population, classes, rows, torch.stack([v, -v]) / 2


def error(x: Tensor, y: Tensor, w: Tensor) -> float:
    """The share of points that are wrong or tied, by Euclidean distance."""
    return float((distance_margin(torch.cdist(x, w), y) <= 0).double().mean())


def clouds(size: int, generator: torch.Generator, spread: float = 0.5) -> tuple[Tensor, Tensor]:
    """Three normal clouds in the plane, around the corners of a triangle of radius 1.5."""
    y = torch.randint(3, (size,), generator=generator)
    angle = y.double() * 2 * math.pi / 3
    corners = 1.5 * torch.stack([angle.cos(), angle.sin()], 1)
    return corners + spread * torch.randn(size, 2, generator=generator).double(), y
