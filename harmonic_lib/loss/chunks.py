"""Losses of rows and their gradients, a chunk of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from harmonic_lib.distances import Distance
from harmonic_lib.distances.arithmetic import over
from harmonic_lib.distances.engine import note
from harmonic_lib.distances.euclidean import Euclidean
from harmonic_lib.harmax import Link, floor, link

NEAR = 0.25
"""A squared distance below so much of the two squared lengths is not left to a product: it
would have lost two more bits than the lengths have."""

RANGE = 1e12
"""A squared length from which its products may leave the range of float32, or lose all digits."""

PAIRS = 2**20
"""The most numbers in the differences of near pairs at once."""

Found = tuple[Tensor, list[Tensor | None]]
"""The losses of all rows, and the gradients of those leaves that need one."""


@dataclass
class Chunks:
    """The classes of all rows, (N), or soft labels, (N, K), and what is common to the chunks."""

    classes: Tensor
    label_smoothing: float
    megabytes: float
    of_class: Tensor | None = None
    """A weight for each class, (K)."""
    noise: Tensor | None = None

    def slices(self, w: Tensor, copies: int) -> list[slice]:
        """Row slices such that ``copies`` (rows, K) matrices fit the budget."""
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
            logits,
            chunks.classes[rows],
            weight=chunks.of_class,
            reduction="none",
            label_smoothing=chunks.label_smoothing,
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


def in_two_ways(
    first: Tensor,
    ways: tuple[Callable[..., Found], Callable[..., Found]],
    leaves: list[Tensor],
    chunks: Chunks,
    weights: Tensor | None,
) -> Found:
    """The rows that are ``first``, (N), one way, and the others another."""
    x, *others = leaves
    losses = x.new_empty(len(x))
    sums = [torch.zeros_like(v) if v.requires_grad else None for v in leaves]
    for rows, way in zip((first.nonzero(), (~first).nonzero()), ways, strict=True):
        rows = rows.squeeze(-1)
        if len(rows) == 0:
            continue
        some = x[rows].detach().requires_grad_(x.requires_grad)
        own = replace(chunks, classes=chunks.classes[rows])
        found = way([some, *others], own, None if weights is None else weights[rows])
        losses[rows] = found[0]
        for total, part in zip(sums, found[1], strict=True):
            if total is not None and part is not None:
                total.index_add_(0, rows, part) if total is sums[0] else total.add_(part)
    return losses, sums


def by_products(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    chunks: Chunks,
    weights: Tensor | None,
) -> Found:
    r"""Harmonic logits of a distance that is Euclid's in some coordinates, by matrix products.

    With :math:`s_{ik} = u_i^\top P u_i + v_k^\top P v_k - 2 u_i^\top P v_k`, P the distance's
    metric or the identity, logits :math:`-m \log s_{ik}`, m = n/2 or n, and :math:`c_{ik} =
    -m (p_{ik} - q_{ik}) / s_{ik}`, the gradient in s for the target q, the gradients in U and V
    are :math:`2 (R U - C V) P` and :math:`2 (T V - C^\top U) P`, and that in P is
    :math:`U^\top R U + V^\top T V - U^\top C V - V^\top C^\top U`; R and T hold the sums of
    the rows and columns of C on their diagonals. Pairs near each other go by differences instead.
    """
    note("product")
    coordinates, metric = distance.coordinates(*leaves[:2]), distance.metric(leaves[1].dtype)
    losses = leaves[0].new_empty(len(leaves[0]))
    with torch.no_grad():
        sides = centred(*coordinates, metric)
    if not sides.fit.all():
        harmonic = link("harmonic", exponent=exponent)
        ways = partial(by_products, distance, exponent), partial(by_logits, distance, harmonic)
        return in_two_ways(sides.fit, ways, leaves, chunks, weights)
    with torch.no_grad():
        gradients = in_coordinates(
            distance, exponent, leaves, coordinates, metric, sides, chunks, weights, losses
        )
    outputs = coordinates if metric is None else (*coordinates, metric)
    return losses, gradients_of(outputs, leaves, gradients)


def in_coordinates(
    distance: Euclidean,
    exponent: float,
    leaves: list[Tensor],
    coordinates: tuple[Tensor, Tensor],
    metric: Tensor | None,
    sides: Sides,
    chunks: Chunks,
    weights: Tensor | None,
    losses: Tensor,
) -> tuple[Tensor, ...]:
    """Fills in the losses of :func:`by_products`; returns the gradients in the coordinates."""
    x, w, *_ = leaves
    of_x, of_w, unit = sides.of_x, sides.of_w, sides.unit
    u, pu, squares_u, sizes_u = of_x.vectors, of_x.mapped, of_x.squares, of_x.sizes
    v, pv, squares_v, sizes_v = of_w.vectors, of_w.mapped, of_w.squares, of_w.sizes
    grad_metric = None if metric is None else torch.zeros_like(metric)
    power = distance.degree / 2  # d is unit s^(1/2), or unit^2 s / 2
    log_least = math.log(floor(v.dtype) * distance.degree) / power - 2 * unit.log()
    grad_u, grad_v, total_c = torch.empty_like(u), torch.zeros_like(v), v.new_zeros(len(v), 1)
    slices, at_once = chunks.slices(v, copies=2), max(1, PAIRS // v.shape[1])
    # Used again and again: fresh memory costs more than the arithmetic in it.
    both = [v.new_empty(len(u[slices[0]]), len(v)) for _ in range(2)]
    for rows in slices:
        classes = chunks.classes[rows]
        s, logs = (each[: len(classes)] for each in both)
        torch.addmm(squares_v, pu[rows], v.mT, alpha=-2, out=s).add_(squares_u[rows].unsqueeze(-1))
        pairs = near(s, sizes_u[rows], sizes_v, classes)
        groups = list(zip(*(parts(index, at_once) for index in pairs), strict=True))

        def gaps(i: Tensor, k: Tensor, start: int = rows.start) -> Tensor:
            return distance.gap((x, w), coordinates, (i + start, k)).div(unit)

        for group in groups:
            s[group] = distance.squared(gaps(*group))
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
        c_of_u = c.sum(1, keepdim=True)
        torch.mul(pu[rows], c_of_u, out=grad_u[rows]).addmm_(c, pv, alpha=-1)
        grad_v.addmm_(c.mT, pu[rows], alpha=-1)
        total_c += c.sum(0).unsqueeze(-1)
        if grad_metric is not None:  # its symmetric part, which is what a symmetric P takes of it
            grad_metric.addmm_(u[rows].mT, (c_of_u * u[rows]).addmm_(c, v, alpha=-2))
        for group, g, r in zip(groups, parts(by_log, at_once), parts(root, at_once), strict=True):
            g, r = g.unsqueeze(-1), r.unsqueeze(-1)
            gap = over(gaps(*group), r)
            part = over(g * (gap if metric is None else gap @ metric), r)
            grad_u[rows].index_add_(0, group[0], part)
            grad_v.index_add_(0, group[1], part, alpha=-1)
            if grad_metric is not None:
                grad_metric.addmm_(gap.mT, g * gap)
    grad_v.addcmul_(total_c, pv)
    if grad_metric is None:
        return grad_u, grad_v
    return grad_u, grad_v, grad_metric.addmm_(v.mT, total_c * v).mul_(unit / 2)


def parts(v: Tensor, most: int) -> Sequence[Tensor]:
    """At most so many numbers in each; none of no numbers."""
    return v.split(most) if len(v) else ()


@dataclass
class Side:
    """The coordinates u of one side, (N, C), and what the products need of them."""

    vectors: Tensor
    mapped: Tensor
    """Pu; u itself where P is the identity."""
    squares: Tensor
    """u P u, (N)."""
    sizes: Tensor
    """|u| |Pu|, (N): the rounding of a product is some eps of it, whatever P is."""


@dataclass
class Sides:
    """Both sides, less the middle of the prototypes, in some unit."""

    of_x: Side
    of_w: Side
    unit: Tensor
    fit: Tensor
    """The rows of x whose squared distances stay within the range of float32, (N)."""


def centred(u: Tensor, v: Tensor, metric: Tensor | None) -> Sides:
    """Both sides about the mean of v.

    About the median of v, and in a unit near its size, where a square might leave the range of
    float32, or where a few vectors of v are so long that they move the mean away from all others.
    """
    middle, unit = v.mean(0), v.new_ones(())
    of_x, of_w = side(u - middle, metric), side(v - middle, metric)
    most_of_x, most_of_w, mean_of_w = torch.stack(
        [of_x.sizes.amax() if len(u) else unit, of_w.sizes.amax(), of_w.sizes.mean()]
    ).tolist()
    if 1e-12 < max(most_of_x, most_of_w) < RANGE and most_of_w <= 100 * mean_of_w:
        return Sides(of_x, of_w, unit, torch.ones_like(of_x.sizes, dtype=torch.bool))
    middle = v.median(0).values
    u, v = u - middle, v - middle
    for vectors in (u, v):  # v last: it decides, unless its vectors are all the same
        typical = vectors.abs().amax(1).median()
        unit = torch.where((typical > 0) & typical.isfinite(), typical, unit)
    unit = torch.ldexp(torch.ones_like(unit), torch.frexp(unit).exponent)
    of_x, of_w = side(u / unit, metric), side(v / unit, metric)
    return Sides(of_x, of_w, unit, (of_x.sizes < RANGE) & (of_w.sizes < RANGE).all())


def side(u: Tensor, metric: Tensor | None) -> Side:
    """All of one side; ``u`` is centred and in its unit."""
    lengths = torch.linalg.vector_norm(u, dim=-1)
    if metric is None:
        squares = lengths.square()
        return Side(u, u, squares, squares)
    mapped = u @ metric
    sizes = lengths * torch.linalg.vector_norm(mapped, dim=-1)
    return Side(u, mapped, torch.einsum("nc,nc->n", u, mapped), sizes)


def near(s: Tensor, sizes_u: Tensor, sizes_v: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs whose squared distance ``s`` has too few digits left: two indices, (P,) each."""
    each = torch.arange(len(s), device=s.device)
    of_class = s[each, classes]
    s[each, classes] = math.inf  # often the nearest: looked at by itself
    most = NEAR * (sizes_u + sizes_v.amax())
    rows = (s.amin(1) <= most).nonzero().squeeze(-1)
    s[each, classes] = of_class
    own = (of_class <= NEAR * (sizes_u + sizes_v[classes])).nonzero().squeeze(-1)
    found = [(own, classes[own])]
    for some in rows.split(max(1, len(s) // 8)):  # what is copied here is no second matrix
        lost = s[some] <= NEAR * (sizes_u[some].unsqueeze(-1) + sizes_v)
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
