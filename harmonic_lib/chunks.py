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
from harmonic_lib.distances.arithmetic import over, unit_of
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
    losses = x.new_empty(len(x))
    sums = [torch.zeros_like(v) if v.requires_grad else None for v in leaves]
    for rows in chunks.slices(w, copies=10):
        x_rows = x[rows].detach().requires_grad_(x.requires_grad)
        with chunks.same_noise():
            logits = link(distance(x_rows, w))
        each = F.cross_entropy(
            logits, chunks.classes[rows], reduction="none", label_smoothing=chunks.label_smoothing
        )
        losses[rows] = each.detach()
        if weights is not None:
            found = gradients_of([each], [x_rows, w, *parameters], [weights[rows]])
            for total, part in zip(
                [sums[0] if sums[0] is None else sums[0][rows], *sums[1:]], found, strict=True
            ):
                if total is not None and part is not None:
                    total.add_(part)
    return losses, sums


def by_products(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    chunks: Chunks,
    weights: Tensor | None,
) -> Found:
    r"""Harmonic logits of a distance that is Euclid's in some coordinates, by matrix products.

    With :math:`s_{ik} = |u_i|^2 + |v_k|^2 - 2 u_i \cdot v_k`, logits :math:`-m \log s_{ik}`, m =
    n/2 or n, and :math:`c_{ik} = -m (p_{ik} - q_{ik}) / s_{ik}`, the gradient in s for the target
    q, those in U and V are :math:`2 (\sum_k c_{ik} u_i - C V)` and
    :math:`2 (\sum_i c_{ik} v_k - C^\top U)`. Pairs near each other go by differences instead.
    """
    note("product")
    coordinates = distance.coordinates(*leaves[:2])
    losses = leaves[0].new_empty(len(leaves[0]))
    with torch.no_grad():
        gradients = in_coordinates(distance, exponent, leaves, coordinates, chunks, weights, losses)
    return losses, gradients_of(coordinates, leaves, gradients)


def in_coordinates(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    coordinates: tuple[Tensor, Tensor],
    chunks: Chunks,
    weights: Tensor | None,
    losses: Tensor,
) -> tuple[Tensor, Tensor]:
    """Fills in the losses of :func:`by_products`; returns the gradients in the coordinates."""
    x, w, *_ = leaves
    u, v, squares_u, squares_v, unit = centred(*coordinates)
    power = distance.degree / 2  # d is unit s^(1/2), or unit^2 s / 2
    log_least = math.log(floor(v.dtype) * distance.degree) / power - 2 * unit.log()
    grad_u, grad_v, total_c = torch.empty_like(u), torch.zeros_like(v), v.new_zeros(len(v), 1)
    slices, at_once = chunks.slices(v, copies=2), max(1, PAIRS // v.shape[1])
    # Used again and again: fresh memory costs more than the arithmetic in it.
    both = [v.new_empty(len(u[slices[0]]), len(v)) for _ in range(2)]
    for rows in slices:
        classes = chunks.classes[rows]
        s, logs = (each[: len(classes)] for each in both)
        torch.addmm(squares_v, u[rows], v.mT, alpha=-2, out=s).add_(squares_u[rows])
        pairs = near(s, squares_u[rows], squares_v, classes)
        groups = list(zip(*(parts(index, at_once) for index in pairs), strict=True))

        def gaps(i: Tensor, k: Tensor, start: int = rows.start) -> Tensor:
            return distance.gap((x, w), coordinates, (i + start, k)).div(unit)

        for group in groups:
            s[group] = gaps(*group).square().sum(-1)
        torch.log(s, out=logs)
        logs[pairs] = logs[pairs].maximum(log_least)
        at_hand = None if weights is None else weights[rows] * (2 / unit)
        losses[rows] = cross_entropy_(
            logs, -exponent * power, classes, chunks.label_smoothing, at_hand
        )
        if weights is None:
            continue
        by_log, root = logs[pairs], s[pairs].sqrt()
        c = logs.div_(s)
        c[pairs] = 0.0
        torch.mul(u[rows], c.sum(1, keepdim=True), out=grad_u[rows]).addmm_(c, v, alpha=-1)
        grad_v.addmm_(c.mT, u[rows], alpha=-1)
        total_c += c.sum(0).unsqueeze(-1)
        for group, g, r in zip(groups, parts(by_log, at_once), parts(root, at_once), strict=True):
            g, r = g.unsqueeze(-1), r.unsqueeze(-1)
            part = over(g * over(gaps(*group), r), r)
            grad_u[rows].index_add_(0, group[0], part)
            grad_v.index_add_(0, group[1], part, alpha=-1)
    grad_v.addcmul_(total_c, v)
    return grad_u, grad_v


def parts(v: Tensor, most: int) -> Sequence[Tensor]:
    """At most so many numbers in each; none of no numbers."""
    return v.split(most) if len(v) else ()


def centred(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Both less the mean of v, in some unit; their squared lengths (N, 1), (K); the unit."""
    mean = v.mean(0)
    u, v, unit = u - mean, v - mean, v.new_ones(())
    squares = _squares(u, v)
    largest = float(torch.cat([each.flatten() for each in squares]).amax())
    if not 1e-12 < largest < 1e12:  # some square might leave the range of float32
        unit = unit_of(u, v)
        u, v = u.div_(unit), v.div_(unit)
        squares = _squares(u, v)
    return u, v, *squares, unit


def _squares(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    of_u, of_v = (torch.linalg.vector_norm(each, dim=-1).square() for each in (u, v))
    return of_u.unsqueeze(-1), of_v


def near(s: Tensor, squares_u: Tensor, squares_v: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs whose squared distance ``s`` has too few digits left: two indices, (P,) each."""
    each = torch.arange(len(s), device=s.device)
    of_class = s[each, classes]
    s[each, classes] = math.inf  # often the nearest: looked at by itself
    most = NEAR * (squares_u.squeeze(-1) + squares_v.amax())
    rows = (s.amin(1) <= most).nonzero().squeeze(-1)
    s[each, classes] = of_class
    own = (of_class <= NEAR * (squares_u.squeeze(-1) + squares_v[classes])).nonzero().squeeze(-1)
    found = [(own, classes[own])]
    for some in rows.split(max(1, len(s) // 8)):  # what is copied here is no second matrix
        lost = s[some] <= NEAR * (squares_u[some] + squares_v)
        lost[torch.arange(len(some), device=s.device), classes[some]] = False
        row, k = lost.nonzero(as_tuple=True)
        found.append((some[row], k))
    return torch.cat([i for i, _ in found]), torch.cat([k for _, k in found])


def cross_entropy_(
    logs: Tensor, slope: float, classes: Tensor, smoothing: float, weights: Tensor | None
) -> Tensor:
    """The cross entropy of logits ``slope * logs``, slope < 0; ``logs`` becomes its gradient.

    That is, in ``logs`` of ``(weights * losses).sum()``; it is spoilt where there are no weights.
    """
    best = logs.amin(1, keepdim=True)
    at_class = torch.arange(len(logs), device=logs.device), classes
    z = logs.sub_(best).mul_(slope)
    of_class = z[at_class]
    total = z.sum(1) if smoothing > 0 else 0.0
    sums = z.exp_().sum(1)
    losses = sums.log() - (1 - smoothing) * of_class - smoothing / logs.shape[1] * total
    if weights is not None:
        slopes = slope * weights
        z.mul_((slopes / sums).unsqueeze(-1))
        if smoothing > 0:
            z.sub_((slopes * smoothing / logs.shape[1]).unsqueeze(-1))
        z[at_class] -= (1 - smoothing) * slopes
    return losses


def gradients_of(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients of the weighted outputs in those leaves that need one."""
    wanted = [v for v in leaves if v.requires_grad]
    given = [(v, g) for v, g in zip(outputs, weights, strict=True) if v.requires_grad]
    if not wanted:
        return [None for _ in leaves]
    found = iter(
        torch.autograd.grad(
            [v for v, _ in given], wanted, [g for _, g in given], materialize_grads=True
        )
    )
    return [next(found) if v.requires_grad else None for v in leaves]
