"""Losses of rows and their gradients, a chunk of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.distances import Distance
from harmonic_lib.distances.arithmetic import unit_of
from harmonic_lib.distances.engine import note
from harmonic_lib.distances.euclidean import Euclidean
from harmonic_lib.harmax import Link, floor

NEAR = 0.25
"""A squared distance below so much of the two squared lengths is not left to a product: it
would have lost two more bits than the lengths have."""

PAIRS = 2**20
"""The most numbers in the differences of near pairs at once."""

Found = tuple[Tensor, list[Tensor | None]]
"""The losses of all rows, and the gradients of those leaves that need one."""


@dataclass
class Chunks:
    """The classes of all rows, and what is common to the chunks of them."""

    classes: Tensor
    label_smoothing: float
    megabytes: float
    noise: Tensor | None = None

    def slices(self, w: Tensor, copies: int) -> list[slice]:
        """Rows of a chunk: ``copies`` matrices of them and the classes are within the megabytes."""
        bytes_a_row = copies * len(w) * w.element_size()
        rows = max(1, int(self.megabytes * 2**20 / bytes_a_row))
        return [slice(i, i + rows) for i in range(0, max(1, len(self.classes)), rows)]

    @contextmanager
    def same_noise(self) -> Iterator[None]:
        """The random numbers of the first chunk again: a distance draws them once a call."""
        cuda = self.classes.is_cuda
        state = torch.cuda.get_rng_state if cuda else torch.get_rng_state
        if self.noise is None:
            self.noise = state()
            yield
            return
        with torch.random.fork_rng([self.classes.device] if cuda else []):
            (torch.cuda.set_rng_state if cuda else torch.set_rng_state)(self.noise)
            yield


def by_logits(
    distance: Distance, link: Link, leaves: list[Tensor], chunks: Chunks, weights: Tensor | None
) -> Found:
    """Whatever the distance and the link: through the logits of a chunk, by autograd."""
    x, w, *parameters = leaves
    losses, sums = x.new_empty(len(x)), zeros_for(leaves)
    for rows in chunks.slices(w, copies=10):
        x_rows = x[rows].detach().requires_grad_(x.requires_grad)
        with chunks.same_noise():
            logits = link(distance(x_rows, w))
        each = F.cross_entropy(
            logits, chunks.classes[rows], reduction="none", label_smoothing=chunks.label_smoothing
        )
        losses[rows] = each.detach()
        if weights is not None:
            into = [sums[0] if sums[0] is None else sums[0][rows], *sums[1:]]
            add_gradients(into, [each], [x_rows, w, *parameters], [weights[rows]])
    return losses, sums


def by_products(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    chunks: Chunks,
    weights: Tensor | None,
) -> Found:
    """Harmonic logits of a distance that is Euclid's in some coordinates, by matrix products."""
    note("product")
    x, w, *_ = leaves
    unit = unit_of(x, w) if distance.degree == 1 else x.new_ones(())  # angles have no unit
    coordinates = distance.coordinates(*((x, w) if distance.degree == 2 else (x / unit, w / unit)))
    losses, sums = x.new_empty(len(x)), zeros_for(leaves)
    with torch.no_grad():
        gradients = in_coordinates(
            distance, exponent, leaves, coordinates, unit, chunks, weights, losses, sums
        )
        add_gradients(sums, coordinates, leaves, gradients)
    return losses, sums


def in_coordinates(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    coordinates: tuple[Tensor, Tensor],
    unit: Tensor,
    chunks: Chunks,
    weights: Tensor | None,
    losses: Tensor,
    sums: list[Tensor | None],
) -> tuple[Tensor, ...]:
    r"""Fills ``losses``, adds the gradients of near pairs to ``sums``; returns the others.

    With :math:`s_{ik} = |u_i|^2 + |v_k|^2 - 2 u_i \cdot v_k`, logits :math:`-m \log s_{ik}`, m =
    n/2 or n, and :math:`c_{ik} = -m (p_{ik} - q_{ik}) / s_{ik}`, the gradient in s for the target
    q, those in U and V are :math:`2 (\sum_k c_{ik} u_i - C V)` and
    :math:`2 (\sum_i c_{ik} v_k - C^\top U)`. The class of each input, and those near it, have
    their distances and gradients from differences.
    """
    u, v, scale = centred(*coordinates)
    # log d = power log s + log_unit
    power = distance.degree / 2
    log_unit = scale.log() + (unit.log() if distance.degree == 1 else scale.log() - math.log(2))
    squares_u, squares_v = u.square().sum(-1, keepdim=True), v.square().sum(-1)
    grad_u, grad_v, total_c = torch.zeros_like(u), torch.zeros_like(v), v.new_zeros(len(v), 1)
    slices = chunks.slices(leaves[1], copies=2)
    # Used again and again: fresh memory costs more than the arithmetic in it.
    both = [v.new_empty(len(u[slices[0]]), len(v)) for _ in range(2)]
    for rows in slices:
        x, classes = leaves[0][rows], chunks.classes[rows]
        s, logs = (each[: len(x)] for each in both)
        torch.addmm(squares_v, u[rows], v.mT, alpha=-2, out=s).add_(squares_u[rows])
        pairs = near(s, squares_u[rows], squares_v, classes)
        s[pairs] = 1.0
        torch.log(s, out=logs)
        logs[pairs] = (log_matched(distance, x, leaves[1], pairs) - log_unit) / power
        at_hand = None if weights is None else weights[rows]
        losses[rows] = cross_entropy_(
            logs, -exponent * power, classes, chunks.label_smoothing, at_hand
        )
        if weights is not None:
            into = [sums[0] if sums[0] is None else sums[0][rows], *sums[1:]]
            pull_matched(distance, [x, *leaves[1:]], pairs, logs[pairs] / power, into)
            logs[pairs] = 0.0
            c = logs.div_(s)
            torch.sub(c.sum(1, keepdim=True) * u[rows], c @ v, out=grad_u[rows])
            grad_v.addmm_(c.mT, u[rows], alpha=-1)
            total_c += c.sum(0).unsqueeze(-1)
    grad_v.addcmul_(total_c, v)
    return tuple(each.mul_(2 / scale) for each in (grad_u, grad_v))


def log_matched(distance: Euclidean, x: Tensor, w: Tensor, pairs: tuple[Tensor, Tensor]) -> Tensor:
    """The log of the distances of some pairs, by differences; of the floor, where they are less."""
    d = [distance.matched(x[i], w[k]) for i, k in split(pairs, PAIRS // x.shape[1])]
    return torch.cat(d).clamp_min(floor(x.dtype)).log()


def pull_matched(
    distance: Euclidean,
    leaves: list[Tensor],
    pairs: tuple[Tensor, Tensor],
    weights: Tensor,
    sums: list[Tensor | None],
) -> None:
    """Add the gradients of the weighted :func:`log_matched` to those of the leaves."""
    x, w, *parameters = leaves
    most = PAIRS // x.shape[1]
    for (i, k), g in zip(split(pairs, most), weights.split(max(1, most)), strict=True):
        ends = [x[i].requires_grad_(x.requires_grad), w[k].requires_grad_(w.requires_grad)]
        each = torch.arange(len(i), device=i.device)
        with torch.enable_grad():
            logs = log_matched(distance, ends[0], ends[1], (each, each))
        own = zeros_for(ends)
        add_gradients([*own, *sums[2:]], [logs], [*ends, *parameters], [g])
        for total, index, part in zip(sums, (i, k), own, strict=False):
            if total is not None and part is not None:
                total.index_add_(0, index, part)


def centred(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both less the mean of v, in units of a power of two near their lengths, and that unit."""
    mean = v.mean(0)
    u, v = u - mean, v - mean
    square = sum(torch.linalg.vector_norm(e) ** 2 / max(1, len(e)) for e in (u, v))
    scale = torch.ldexp(torch.ones_like(square), torch.frexp(square.sqrt()).exponent)
    scale = torch.where(square > 0, scale, 1.0)
    return u.div_(scale), v.div_(scale), scale


def near(s: Tensor, squares_u: Tensor, squares_v: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs whose squared distance ``s`` has too few digits, and those of rows with their class.

    Overwrites the latter by infinity.
    """
    each = torch.arange(len(s), device=s.device)
    s[each, classes] = math.inf
    if_any = s.amin(1) < NEAR * (squares_u.squeeze(-1) + squares_v.amax())
    suspects = if_any.nonzero().squeeze(-1)
    lost = s[suspects] < NEAR * (squares_u[suspects] + squares_v)
    row, k = lost.nonzero(as_tuple=True)
    return torch.cat([each, suspects[row]]), torch.cat([classes, k])


def cross_entropy_(
    logs: Tensor, slope: float, classes: Tensor, smoothing: float, weights: Tensor | None
) -> Tensor:
    """The cross entropy of logits ``slope * logs``; ``logs`` becomes the gradient in itself.

    That is, of ``(weights * losses).sum()``; it is spoilt where there are no weights.
    """
    best = logs.amin(1, keepdim=True) if slope < 0 else logs.amax(1, keepdim=True)
    at_class = torch.arange(len(logs), device=logs.device), classes
    z = logs.sub_(best).mul_(slope)
    of_class = z[at_class]
    total = z.sum(1) if smoothing > 0 else 0.0
    parts = z.exp_().sum(1)
    losses = parts.log() - (1 - smoothing) * of_class - smoothing / logs.shape[1] * total
    if weights is not None:
        slopes = slope * weights
        z.mul_((slopes / parts).unsqueeze(-1))
        if smoothing > 0:
            z.sub_((slopes * smoothing / logs.shape[1]).unsqueeze(-1))
        z[at_class] -= (1 - smoothing) * slopes
    return losses


def zeros_for(leaves: Sequence[Tensor]) -> list[Tensor | None]:
    """What gradients are added to, for each leaf that needs one."""
    return [torch.zeros_like(v) if v.requires_grad else None for v in leaves]


def add_gradients(
    sums: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    leaves: Sequence[Tensor],
    weights: Sequence[Tensor],
) -> None:
    """Add to each sum the gradient of the weighted outputs in its leaf."""
    wanted = [(v, total) for v, total in zip(leaves, sums, strict=True) if total is not None]
    given = [(v, g) for v, g in zip(outputs, weights, strict=True) if v.requires_grad]
    if wanted and given:
        found = torch.autograd.grad(
            [v for v, _ in given], [v for v, _ in wanted], [g for _, g in given], allow_unused=True
        )
        for (_, total), part in zip(wanted, found, strict=True):
            if part is not None:
                total.add_(part)


def split(pairs: tuple[Tensor, Tensor], most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The pairs, at most so many at a time."""
    most = max(1, most)
    return zip(pairs[0].split(most), pairs[1].split(most), strict=True)
