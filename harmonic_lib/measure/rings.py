"""Whether the embeddings of the residues 0 … p - 1 lie on a ring, in order."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonic_lib.measure.embedding import centred, count_for, projection


def frequency_shares(table: Tensor) -> Tensor:
    r"""The share of the variance at each frequency 1 … p // 2: (p, D) -> (p // 2,).

    :math:`s_k = (|F_k|^2 + |F_{p-k}|^2) / \sum_{j \ge 1} |F_j|^2` with the discrete Fourier
    transform :math:`F_k = \sum_a x_a e^{-2 \pi i k a / p}` over the residues, of which row a is
    :math:`x_a`. They sum to 1 (Parseval), or are NaN where all rows are equal.

    Raises:
        ValueError: not a (p, D) table of at least two rows of finite numbers.
    """
    power: Tensor = torch.fft.rfft(centred(table), dim=0).abs().square().sum(1)[1:]
    pairs = 2 * power
    if len(table) % 2 == 0:
        pairs[-1] = power[-1]  # the frequency p / 2 is its own mirror image
    return pairs / pairs.sum()


def ring_frequency(table: Tensor) -> int:
    """The frequency k in 1 … p // 2 that holds most variance; 0 where all rows are equal.

    Residue a is at the angle 2 pi k a / p; its neighbours are a + s and a - s with k s = 1
    modulo p. The other direction, p - k, is the same ring in a mirror.
    """
    shares = frequency_shares(table)
    return 0 if shares.isnan().any() else int(shares.argmax()) + 1


def ring_score(table: Tensor) -> float:
    """The share of the variance in the strongest single frequency, in (0, 1].

    1 for a perfect circle in steps of any residue, 1/2 for two circles of equal size; NaN
    where all rows are equal. It sees the order of the residues and all D dimensions. A
    frequency of noise holds 2 / (p - 1) on average and the strongest of all more than that,
    the less so the larger D (p = 31, D = 16: 0.067 and about 0.1).

    It does not see how round the ring is: an ellipse, and a ring flattened to a line, score 1
    too. A round ring has EV_1 = 1/2 (:func:`~harmonic_lib.measure.embedding.explained_variance`).
    """
    return float(frequency_shares(table).max())


def ring_frequencies(table: Tensor, share: float = 0.9) -> int:
    """How many frequencies, the strongest first, hold this share of the variance.

    1 for a ring, 2 for the torus of two rings, 0 where all rows are equal.
    """
    shares = frequency_shares(table)
    return count_for(shares.nan_to_num(), share)


def ring_order(table: Tensor) -> Tensor:
    """The residues as they follow each other on the ring of the strongest frequency, (p,)."""
    residues = torch.arange(len(table))
    return (ring_frequency(table) * residues % len(table)).argsort(stable=True)


def radius_variation(table: Tensor) -> float:
    """The first paper's released measure of a circle, for the audit: 0 is meant to be perfect.

    The first two principal coordinates, each rescaled to [0, 1]; then the standard deviation
    (divisor p) of the distance from the centroid over its mean.

    It sees neither the order of the residues (a shuffled circle scores like one in order)
    nor an ellipse (rescaled to a circle) nor what the other D - 2 dimensions hold. NaN where
    a coordinate does not vary.

    Raises:
        ValueError: not a (p, D) table of at least two rows and columns of finite numbers.
    """
    plane = projection(table)
    low, high = plane.aminmax(dim=0)
    box = (plane - low) / (high - low)
    radius = (box - box.mean(0)).norm(dim=1)
    return float(radius.std(correction=0) / radius.mean())
