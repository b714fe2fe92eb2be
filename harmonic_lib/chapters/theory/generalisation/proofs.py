"""Generalisation bounds for classifiers by distances, and a check of each statement.

A check returns the worst violation that it met as a number: 0 or below (up to rounding)
where the statement holds. Everything is in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.theory.generalisation.bounds import (
    Bound,
    BoundOf,
    adversary,
    binary_kl,
    clouds,
    error,
    lift_inputs,
    lift_prototypes,
    log_moment,
    normal_cdf,
)
from harmonic_lib.measure.margins import distance_margin, log_ratio_margin, squared_margin


# The checks.
def sandwich_violation(
    name: str = "euclidean", exponent: float = 4.0, assumed: float | None = None, seed: int = 0
) -> float:
    """How far a harmonic loss gets outside the two bounds by the log-ratio margin.

    assumed: the exponent in the bounds; the head's where it is None.
    """
    x, w, y = random_problem(seed)
    dist = hl.distance(name)(x, w)
    losses = F.cross_entropy(hl.harmonic_logits(dist, exponent), y, reduction="none")
    reach = -(exponent if assumed is None else assumed) * log_ratio_margin(dist, y)
    low, high = F.softplus(reach), F.softplus(reach + math.log(len(w) - 1))
    return float(torch.maximum(low - losses, losses - high).max())


def scaling_violation(name: str = "euclidean", factor: float = 7.0, seed: int = 0) -> float:
    """How far the reported term is from growing with the unit of length, answers unchanged.

    Relative; 1 where the answers change.
    """
    x, w, _ = random_problem(seed)
    d = hl.distance(name)
    y, scaled = d(x, w).argmin(1), d(factor * x, factor * w)
    if not torch.equal(y, scaled.argmin(1)):
        return 1.0

    def term(x: Tensor, w: Tensor) -> float:
        return float(x.norm(dim=1).max() * w.norm() / distance_margin(d(x, w), y).min())

    return abs(term(factor * x, factor * w) / (factor * term(x, w)) - 1)


def moment_violation(size: int = 50, power: float = 1.0) -> float:
    """How far the mean of exp(power N kl) over binomial samples gets above xi(N), relative."""
    k = torch.arange(size + 1, dtype=torch.float64)
    choose = math.lgamma(size + 1) - torch.lgamma(k + 1) - torch.lgamma(size - k + 1)
    worst = -math.inf
    for p in torch.linspace(0.01, 0.99, 99, dtype=torch.float64):
        log_pmf = choose + k * p.log() + (size - k) * (1 - p).log()
        mean = (log_pmf + power * size * binary_kl(k / size, p)).logsumexp(0)
        worst = max(worst, float(mean) - log_moment(size))
    return math.expm1(worst)


def pac_bayes_violation(
    size: int = 40,
    delta: float = 0.2,
    repeats: int = 2_000,
    moment: float | None = None,
    seed: int = 0,
) -> float:
    """How often the PAC-Bayes lemma can fail, less how often it may: 100 rules on 50 points.

    A posterior that breaks it exists only where the prior mean of exp(N kl) is too large, which
    is what is counted. Infinite where a posterior gets above that mean: the first steps of the
    proof. (The one tried is the one that gets nearest in the second of them.)

    moment: the logarithm of xi(N); the right one where it is None.
    """
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(100, 50, generator=generator).double() < torch.linspace(0, 1, 100)[:, None]
    true = wrong.double().mean(1)
    fixed = (log_moment(size) if moment is None else moment) - math.log(delta)
    failures = 0
    for _ in range(repeats):
        seen = wrong[:, torch.randint(50, (size,), generator=generator)].double().mean(1)
        excess = size * coin_kl(seen, true)
        highest = float(excess.logsumexp(0)) - math.log(len(wrong))
        posterior = excess.softmax(0)
        complexity = float(torch.xlogy(posterior, posterior * len(wrong)).sum())
        left = float(size * coin_kl(posterior @ seen, posterior @ true))
        if left - complexity > highest + 1e-9:
            return math.inf
        failures += highest > fixed
    return failures / repeats - delta


def coin_kl(q: Tensor, p: Tensor) -> Tensor:
    """:func:`binary_kl`, with p = 0 and p = 1 allowed where q is the same."""
    return torch.where(q == p, 0.0, binary_kl(q, p))


def triangle_violation(d: torch.nn.Module, seed: int = 0) -> float:
    """How far moved prototypes change a margin beyond twice the largest move."""
    x, w, y = random_problem(seed)
    generator = torch.Generator().manual_seed(seed + 1)
    worst = -math.inf
    for size in (0.01, 0.1, 0.3, 1.0):
        moved = (w + size * torch.randn(w.shape, generator=generator).double()).abs()
        moves = torch.stack(
            [d(a.unsqueeze(0), b.unsqueeze(0)) for a, b in zip(w, moved, strict=True)]
        )
        change = (distance_margin(d(x, moved), y) - distance_margin(d(x, w), y)).abs()
        worst = max(worst, float((change.max() - 2 * moves.max()).detach()))
    return worst


def shifted_mass_violation(low: float = -0.4, high: float = 0.4) -> float:
    """How far the normal mass of a shifted interval gets below its bound, relative.

    The bound asks for an interval that is symmetric about 0.
    """
    worst = -math.inf
    for shift in torch.linspace(-3, 3, 121).tolist():
        mass = normal_cdf(shift + high) - normal_cdf(shift + low)
        bound = math.exp(-(shift**2) / 2) * (normal_cdf(high) - normal_cdf(low))
        worst = max(worst, 1 - mass / bound)
    return worst


def noise_violation(width: float = 1.5, assumed: float | None = None, seed: int = 0) -> float:
    """How far noise on a linear classifier goes beyond the two bounds of its lemma.

    In standard errors of the 20,000 draws, at the edge cases: margins 0 and theta exactly.

    assumed: the width in the bounds; that of the noise where it is None.
    """
    draws, classes, theta = 20_000, 4, 1.0
    kappa = width if assumed is None else assumed
    deviation = theta / (2 * math.sqrt(2) * width)
    generator = torch.Generator().manual_seed(seed)
    noise = deviation * torch.randn(draws, classes, generator=generator).double()
    worst = -math.inf
    for margin, others in ((0.0, 0.0), (0.0, 9.0), (theta, theta), (theta, 9.0)):
        scores = torch.tensor([0.0, -margin] + [-others] * (classes - 2)).double() + noise
        below = float((scores[:, 0] - scores[:, 1:].max(1).values <= theta / 2).double().mean())
        limit = normal_cdf(kappa) if margin == 0 else (classes - 1) * normal_cdf(-kappa)
        gap = limit - below if margin == 0 else below - limit
        error = math.sqrt(max(limit * (1 - limit), 1 / draws) / draws)
        worst = max(worst, gap / error)
    return worst


def linear_form_violation(radius: float = 2.0, lifted_radius: float | None = None) -> float:
    """How far the linear form's margins are from the squared margin, and its unit from none.

    lifted_radius: the radius with which the prototypes are lifted; ``radius`` where it is None.
    """
    x, w, y = random_problem(0)
    centre = x.mean(0)
    inputs = lift_inputs(x, centre, radius)
    weights = lift_prototypes(w, centre, lifted_radius or radius)
    scores = inputs @ weights.T / inputs.norm(dim=1, keepdim=True)
    ours = distance_margin(-scores, y)
    return float((ours - squared_margin(x, w, y, centre, radius)).abs().max())


def bound_violation(bound: BoundOf, size: int = 1_000, repeats: int = 20, seed: int = 0) -> float:
    """How far the true error gets above a bound, over many samples of known populations.

    One population is the adversary's, with a sample of 100. The other are three clouds, 6,000
    points in the plane, with samples of ``size``: large enough for bounds below 1, which say
    something. There the prototypes are the means of the sample, and those moved at random.
    """
    population, classes, rows, w = adversary(100)
    worst = error(population, classes, w) - bound(population[rows], classes[rows], w)
    generator = torch.Generator().manual_seed(seed)
    points, labels = clouds(6_000, generator)
    for _ in range(repeats):
        drawn = torch.randint(len(points), (size,), generator=generator)
        x, y = points[drawn], labels[drawn]
        means = torch.stack([x[y == k].mean(0) for k in range(3)])
        for move in (0.0, 0.5):
            w = means + move * torch.randn(means.shape, generator=generator).double()
            worst = max(worst, error(points, labels, w) - bound(x, y, w))
    return worst


def invariance_violation(bound: Callable[..., Bound], factor: float = 7.0) -> float:
    """How far a bound changes with the unit of length and with the origin, all told."""
    x, w, y = random_problem(0)
    centre, shift = torch.full((x.shape[1],), 0.5).double(), 3.0
    before = bound(x, y, w, centre, 2.0)
    after = bound(factor * x + shift, y, factor * w + shift, factor * centre + shift, factor * 2.0)
    return max(abs(before.value - after.value), abs(before.complexity / after.complexity - 1))


def random_problem(seed: int, size: int = 2_000, dim: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Random inputs (N, D) and prototypes (6, D), entries in (0, 1), and random classes (N,)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(size, dim, generator=generator, dtype=torch.float64)
    w = torch.rand(6, dim, generator=generator, dtype=torch.float64)
    return x, w, torch.randint(6, (size,), generator=generator)
