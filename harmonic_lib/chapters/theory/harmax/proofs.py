"""What the chapter on HarMax and the exponent proves, checked on numbers.

Each check returns the worst violation that it found, which is 0 up to rounding (or up to the
noise of a sample, where it says so) if the proposition holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.measure.sharpness import matched_exponent

Form = Callable[[Tensor, float], Tensor]
FACTORS = (1e-6, 0.01, 0.5, 3.0, 1e6)


def exact_harmax(dist: Tensor, exponent: float) -> Tensor:
    """HarMax as it is defined, by powers, in decimal numbers of 50 digits: the oracle."""
    rows = dist.reshape(-1, dist.shape[-1]).tolist()
    exact = []
    with localcontext(prec=50):
        for row in rows:
            powers = [Decimal(d) ** Decimal(-exponent) for d in row]
            exact.append([float(power / sum(powers)) for power in powers])
    return torch.tensor(exact, dtype=torch.float64).reshape(dist.shape)


def form_error(form: Form, dist: Tensor, exponent: float) -> float:
    """The largest error of a probability of ``form``; infinite where one is not a number."""
    error = (form(dist, exponent).double() - exact_harmax(dist, exponent)).abs().max()
    return math.inf if error.isnan() else float(error)


def breaks_at(form: Form, dist: Tensor, largest: int = 2000) -> int | None:
    """The first whole exponent at which ``form`` is not a number somewhere; None: it never is."""
    return next((n for n in range(1, largest + 1) if form(dist, n).isnan().any()), None)


def scale_violation(probabilities: Callable[[Tensor], Tensor], dist: Tensor) -> float:
    """How much probabilities change when all distances are multiplied by one number."""
    first = probabilities(dist)
    return max(float((probabilities(c * dist) - first).abs().max()) for c in FACTORS)


def gradients(p: Tensor, y: Tensor, dist: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
    """The gradients of -log p_y with respect to the logits and the distances, by hand."""
    own = torch.nn.functional.one_hot(y, p.shape[-1]).to(p.dtype)
    return p - own, exponent * (own - p) / dist


def gradient_violation(exponent: float, seed: int, by_hand: Callable[..., object]) -> float:
    """The largest difference of :func:`gradients` from autograd: of logits, distances, prototypes.

    Relative to the largest gradient of its kind, for the Euclidean distance in float64.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 5, dtype=torch.float64, generator=generator)
    w = torch.randn(7, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    y = torch.randint(7, (20,), generator=generator)
    dist = hl.distance("euclidean")(x, w)
    z = hl.harmonic_logits(dist, exponent)
    loss = torch.nn.functional.cross_entropy(z, y, reduction="sum")
    by_logits, by_distances, by_prototypes = torch.autograd.grad(loss, (z, dist, w))
    dist = dist.detach()
    ours = by_hand(z.detach().softmax(-1), y, dist, exponent)
    assert isinstance(ours, tuple)
    slopes = (w.detach() - x.unsqueeze(1)) / dist.unsqueeze(-1)  # of each distance, at w_k
    prototypes = (ours[1].unsqueeze(-1) * slopes).sum(0)
    pairs = zip((*ours, prototypes), (by_logits, by_distances, by_prototypes), strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def pull(dist: Tensor, exponent: float, num_classes: int) -> Tensor:
    """The slope of the loss in the own distance, by autograd; all other distances are 1."""
    dist = dist.detach().clone().requires_grad_()
    others = torch.ones(*dist.shape, num_classes - 1, dtype=dist.dtype)
    z = hl.harmonic_logits(torch.cat([dist.unsqueeze(-1), others], -1), exponent)
    (slope,) = torch.autograd.grad(-z.log_softmax(-1)[..., 0].sum(), dist)
    return slope


def steepest(exponent: float, num_classes: int) -> float:
    """The own distance at which the pull is largest, found by trying 200,001 of them."""
    dist = torch.linspace(0, 2, 200_001, dtype=torch.float64)[1:]
    return float(dist[pull(dist, exponent, num_classes).argmax()])


def ratio_needed(probability: float, exponent: float, num_classes: int) -> float:
    """How many times nearer the own prototype must be than all the others, which are as far."""
    return float(((num_classes - 1) * probability / (1 - probability)) ** (1 / exponent))


def ratio_violation(needed: Callable[[float, float, int], float]) -> float:
    """How far the probability is from the one asked for, over a range of all three."""
    worst = 0.0
    for probability in (0.5, 0.9, 0.99):
        for exponent in (1, 2, 8, 28.0):
            for num_classes in (2, 10, 100):
                dist = torch.ones(num_classes, dtype=torch.float64)
                dist[1:] = needed(probability, exponent, num_classes)
                given = float(hl.harmax(dist, exponent)[0])
                worst = max(worst, abs(given - probability))
    return worst


def order_violations(dist: Tensor, exponents: Sequence[float], form: Form) -> int:
    """For how many inputs the order of the probabilities is not that of the distances.

    Counted, too: where the largest probability does not grow with the exponent.
    """
    wrong = torch.zeros(len(dist), dtype=torch.bool)
    largest = torch.zeros(len(dist), dtype=dist.dtype)
    for exponent in exponents:
        p = form(dist, exponent)
        wrong |= (p.argsort(-1, descending=True) != dist.argsort(-1)).any(-1)
        wrong |= p.amax(-1) < largest - 1e-9
        largest = p.amax(-1)
    return int(wrong.sum())


def limit_violation(dist: Tensor, form: Form) -> float:
    """How far the probabilities are from their limits: 1/K for n to 0, 1 and 0 for n to infinity.

    At the exponents 1e-9 and 1e9; the nearest prototype of each input is to be the only one.
    """
    certain = torch.nn.functional.one_hot(dist.argmin(-1), dist.shape[-1])
    soft = (form(dist, 1e-9) - 1 / dist.shape[-1]).abs().max()
    hard = (form(dist, 1e9) - certain).abs().max()
    return float(torch.maximum(soft, hard))


def squared_variance(x_length: float, w_length: float, dim: int) -> float:
    """The variance of d² over normal prototypes, for one x: (4 a² b² + 2 b⁴) / D."""
    return (4 * x_length**2 * w_length**2 + 2 * w_length**4) / dim


def variance_violation(
    draws: int, seed: int, formula: Callable[[float, float, int], float] = squared_variance
) -> float:
    """The largest relative error of a variance of d²; noise of about 2 / sqrt(draws) is in it."""
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for dim in (4, 16):
        w = torch.randn(draws, dim, dtype=torch.float64, generator=generator) / dim**0.5
        for x_length, w_length in ((1.0, 1.0), (5.0, 1.0), (0.5, 2.0)):
            x = torch.zeros(1, dim, dtype=torch.float64)
            x[0, 0] = x_length
            measured = float(hl.distance("euclidean")(x, w_length * w).square().var())
            worst = max(worst, abs(measured / formula(x_length, w_length, dim) - 1))
    return worst


def predicted_spread(x_length: float, w_length: float, dim: int) -> float:
    """The spread of log d over normal prototypes to first order: half the relative one of d²."""
    mean = x_length**2 + w_length**2
    return math.sqrt(squared_variance(x_length, w_length, dim)) / (2 * mean)


def linear_logits(x: Tensor, w: Tensor, exponent: float) -> Tensor:
    """What harmonic logits become for long inputs: (n / |x|²) (w·x - |w|²/2), plus a constant."""
    linear = x @ w.T - w.square().sum(-1) / 2
    return exponent / x.square().sum(-1, keepdim=True) * linear


def linear_violation(
    x: Tensor, w: Tensor, exponent: float, linear: Callable[..., Tensor] = linear_logits
) -> float:
    """How far harmonic logits are beyond the bound around the linear ones: 0 if nowhere.

    The bound for each is (n/4) u² / (1 - |u|) with u = (d² - |x|²) / |x|², |u| < 1.
    """
    length = x.norm(dim=-1, keepdim=True)
    dist = hl.distance("euclidean")(x, w)
    u = ((dist / length).square() - 1).abs()
    logits = hl.harmonic_logits(dist, exponent) + exponent * length.log()
    bound = exponent / 4 * u.square() / (1 - u)
    rounding = 1e-12 * exponent
    excess = (logits - linear(x, w, exponent)).abs() - bound - rounding
    return max(0.0, float(excess.max()))


def matched_violation(distances: Iterable[Tensor], sharpness: float) -> float:
    """How far the sharpness of heads with matched exponents is from the one asked for."""
    worst = 0.0
    for dist in distances:
        z = hl.harmonic_logits(dist.double(), matched_exponent(dist, sharpness))
        centred = z - z.mean(-1, keepdim=True)
        reached = float(centred.square().mean(-1).sqrt().mean())
        worst = max(worst, abs(reached / sharpness - 1))
    return worst


def student_t_excess(
    dist: Tensor, exponent: float, scales: Sequence[float], limit: float | None = None
) -> float:
    """How far log-probabilities of the Student-t link are beyond the bound around HarMax's.

    The bound is n s² / (2 min d²), for each input; ``limit`` is the exponent of the HarMax
    that they are held against, n itself where None is given.
    """
    harmonic = hl.harmonic_logits(dist, exponent if limit is None else limit).log_softmax(-1)
    nearest = dist.amin(-1, keepdim=True)
    worst = 0.0
    for scale in scales:
        student = hl.link("student_t", exponent=exponent, scale=scale)(dist).log_softmax(-1)
        bound = exponent * scale**2 / (2 * nearest.square())
        worst = max(worst, float(((student - harmonic).abs() - bound).max()))
    return worst


def exponent_by_bisection(
    probability: Callable[[float], float], target: float, low: float = 1e-3, high: float = 1e4
) -> float:
    """The exponent at which a probability that grows with it reaches ``target``."""
    for _ in range(200):
        midpoint = math.sqrt(low * high)
        low, high = (low, midpoint) if probability(midpoint) > target else (midpoint, high)
    return math.sqrt(low * high)
