"""What the chapter on the Hamming distance states, measured.

A check returns the worst violation that it met: 0 or below, up to rounding, where the statement
holds, and more for a distance or a formula that it does not speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib import released
from harmonic_lib.measure.axioms import Pairwise, normal

Option = Callable[[float, float], Pairwise]
"""A distance for a threshold and a temperature."""


def soft(threshold: float, temperature: float) -> Pairwise:
    """The soft form."""
    return hl.distance("hamming", threshold=threshold, temperature=temperature)


def hard(threshold: float, temperature: float) -> Pairwise:
    """The hard form, whose distances do not depend on the temperature."""
    return hl.distance("hamming", form="hard", threshold=threshold, temperature=temperature)


FACTORS = (0.1, 0.7, 3.0, 40.0)


def ruler_violation(make: Option = soft, threshold: float = 0.5) -> float:
    """How far d(ax, aw) is from d(x, w) with threshold and temperature divided by a; several a."""
    x, w = normal(40, 12), normal(7, 12, seed=1)
    d, worst = make(threshold, 0.7), 0.0
    for a in FACTORS:
        smaller = make(threshold / a, 0.7 / a)
        worst = max(worst, float((d(a * x, a * w) - smaller(x, w)).abs().max()))
    return worst


def factor_violation(make: Option, threshold: float) -> float:
    """How far d(ax, aw) is from d(x, w), which it is for the degree 0; several a."""
    x, w = normal(40, 12), normal(7, 12, seed=1)
    d = make(threshold, 0.7)
    return max(float((d(a * x, a * w) - d(x, w)).abs().max()) for a in FACTORS)


def steepness(radius: float, temperature: float) -> float:
    r"""The least slope of :math:`4 T \sigma(\cdot / T)` within ``radius`` of its middle."""
    end = torch.tensor(radius / temperature, dtype=torch.float64)
    return float(4 * end.sigmoid() * (-end).sigmoid())


def manhattan_violation(make: Option, temperature: float = 1.0, seed: int = 0) -> float:
    """How far 4 T d gets outside of the bounds by the mean absolute difference, relative.

    Vectors in [0, 1], threshold 0.5: between :func:`steepness` (0.5, T) times it and it.
    """
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.rand(2, 60, 12, dtype=torch.float64, generator=generator)
    x[:20], w[:20] = x[:20].round(), w[:20].round()  # the ends, where the slope is least
    share = 4 * temperature * make(0.5, temperature)(x, w) / torch.cdist(x, w, p=1) * 12
    share = share[share.isfinite()]
    return max(float(share.max()) - 1, steepness(0.5, temperature) - float(share.min()))


def threshold_violation(
    noise: Callable[[Tensor], Tensor], draws: int = 40_000, seed: int = 0
) -> float:
    """How far the mean of hard distances, at thresholds 0.5 + noise, is from the soft one, T = 1.

    noise: from uniform numbers in (0, 1) to the noise; in units of the standard error.
    """
    generator = torch.Generator().manual_seed(seed)
    moved = 0.5 + noise(torch.rand(draws, 1, dtype=torch.float64, generator=generator))
    x, w = normal(1, 12), normal(1, 12, seed=1)
    differ = ((x > moved) != (w > moved)).double().mean(-1)
    error = differ.std() / math.sqrt(draws)
    return float((differ.mean() - soft(0.5, 1.0)(x, w).squeeze()).abs() / error)


def logistic(u: Tensor) -> Tensor:
    """Logistic noise: the difference of two Gumbel variables."""
    return u.logit()


def gumbel(u: Tensor) -> Tensor:
    """Gumbel noise, whose mean is 0.577."""
    return -(-u.log()).log()


def soft_slope(x: Tensor, w: Tensor, threshold: float = 0.5, temperature: float = 1.0) -> Tensor:
    r"""The gradient in w: :math:`\sigma' \operatorname{sign}(w - x) / (T D)`."""
    z = (w - threshold) / temperature
    return z.sigmoid() * (-z).sigmoid() * (w - x).sign() / (temperature * w.shape[-1])


def hard_slope(x: Tensor, w: Tensor, threshold: float = 0.5, temperature: float = 1.0) -> Tensor:
    """The gradient that the hard form claims in w: the soft one where the bits differ."""
    differ = ((x > threshold) != (w > threshold)).to(w.dtype)
    return differ * soft_slope(x, w, threshold, temperature)


def rounding_share(bits: Callable[[Tensor], Tensor], dtype: torch.dtype, seed: int = 0) -> float:
    """The share of coordinates with equal hard bits that get a gradient all the same.

    bits: from numbers to bits with a gradient. Vectors in [0, 1], threshold 0.5; a share of
    coordinates where both bits are 1.
    """
    x, w = sample_bits(dtype, seed)
    slope = bit_gradient(bits, x, w)
    return float((slope[(x > 0.5) & (w > 0.5)] != 0).double().mean())


def sample_bits(dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two sets of 4,000 numbers in [0, 1], the same for every dtype."""
    generator = torch.Generator().manual_seed(seed)
    x, w = torch.rand(2, 4000, generator=generator).to(dtype)
    return x, w


def bit_gradient(bits: Callable[[Tensor], Tensor], x: Tensor, w: Tensor) -> Tensor:
    """The gradient of sum |b(x) - b(w)| in w."""
    w = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad((bits(x) - bits(w)).abs().sum(), w)
    return slope


def released_bits(z: Tensor) -> Tensor:
    """The released bits of the hard layer, with its temperature and threshold."""
    return released.layers.hard_bits(z, 0.1, 0.5)


def our_bits(z: Tensor) -> Tensor:
    """Ours, in the order that leaves no rounding error."""
    distance = hl.distance("hamming", form="hard", temperature=0.1)
    bits: Tensor = distance.bits(z, 0.5)  # type: ignore[operator]
    return bits


def own_distances(temperature: float, x: Tensor, draws: int = 50, seed: int = 0) -> Tensor:
    """The released Gumbel layer's distance of x (D,) from itself, in training: (draws,)."""
    generator = torch.Generator().manual_seed(seed)
    layer = released.layers.hamming_gumbel
    found = [
        layer(x[None], x[None], 0.0, temperature=temperature, training=True, generator=generator)
        for _ in range(draws)
    ]
    return torch.cat(found).flatten()


def differing_share(x: float, noise: Callable[[Tensor], Tensor], seed: int = 0) -> float:
    """How often [x + g > 0] and [x + h > 0] differ, for independent noise g and h; by drawing."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(2, 400_000, dtype=torch.float64, generator=generator)
    first, second = x + noise(u) > 0
    return float((first != second).double().mean())


def tied_share(d: Pairwise, x: Tensor, w: Tensor) -> float:
    """The share of inputs whose nearest prototype is not the only one at its distance."""
    with torch.no_grad():
        two = d(x, w).topk(2, largest=False).values
    return float((two[:, 0] == two[:, 1]).double().mean())


def changed_share(first: Tensor, second: Tensor) -> float:
    """The share of rows whose largest entry is in another place."""
    return float((first.argmax(-1) != second.argmax(-1)).double().mean())
