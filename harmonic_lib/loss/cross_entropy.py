"""The loss of a distance head for many classes, in little memory.

Never holds the (N, K, D) differences, nor an (N, K) matrix above ``max_mb``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from harmonic_lib.checks import check_name, check_number
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.distances.base import check_inputs, without_autocast
from harmonic_lib.distances.euclidean import Euclidean
from harmonic_lib.harmax import Link, link
from harmonic_lib.loss.chunks import Chunks, by_logits, by_products

MAX_MB = 64.0
"""What the matrices over rows and classes take together, unless another number is given."""


def harmonic_cross_entropy(
    x: Tensor,
    w: Tensor,
    y: Tensor,
    distance: str | Distance = "euclidean",
    exponent: float | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    max_mb: float | None = None,
) -> Tensor:
    r"""The harmonic loss, :math:`-\log p_y`, :math:`p_k \propto d(x, w_k)^{-n}`, in little memory.

    The value and the gradients of ``F.cross_entropy(harmonic_logits(d(x, w), n), y)``, for
    ``x``, ``w`` and the parameters of the distance, in chunks of rows, whose gradients are
    computed beside their loss. Euclid, cosine and Mahalanobis take one float32 matrix product
    forwards and two backwards, as a linear head does (Mahalanobis with a matrix also maps x and
    w by it), and differences where a product loses the digits of a distance.

    >>> x, w, y = torch.randn(2, 7, 16), torch.randn(1000, 16), torch.randint(1000, (2, 7))
    >>> harmonic_cross_entropy(x, w, y, distance="manhattan").ndim
    0

    Differentiable once, and not under ``vmap``: there, use the logits.

    Args:
        x: inputs, (..., D), floating; computed in float32 at least, also under autocast.
        w: prototypes, (K, D).
        y: the class of each input, (...), integers from 0 to K - 1, or ``ignore_index``.
        distance: a name of ``harmonic_lib.DISTANCES``, or a ``Distance`` module.
        exponent: n > 0; None for sqrt(D).
        ignore_index: inputs of this class have no loss and no gradient, whatever they hold.
        label_smoothing: the share, in [0, 1], of the target that is spread over all classes.
        reduction: "mean" over the inputs that are not ignored, "sum", or "none" for (...), with
            0 for the ignored; then the gradient is computed in the backward pass.
        max_mb: about how many MiB all (rows, K) matrices may take at once; None for 64. One row
            at a time is the least.

    Raises:
        TypeError: ``x`` or ``w`` is not a floating-point tensor, or ``y`` no integer one.
        ValueError: shapes, devices, classes or options do not fit; an unknown name.
        RuntimeError: in the backward pass, where the gradient is to be differentiated again.

    Source: Baek et al. 2025, section 2; gradients beside the loss as in Liger-Kernel.
    """
    check_inputs(x, w)
    n = math.sqrt(x.shape[-1]) if exponent is None else exponent
    loss: Tensor = cross_entropy(
        x,
        w,
        y,
        as_distance(distance, x.shape[-1]),
        link("harmonic", exponent=n),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        max_mb=max_mb,
    )
    return loss


@_disable_dynamo  # torch.compiler.disable, but loaded when it is needed: that takes two seconds
def cross_entropy(
    x: Tensor,
    w: Tensor,
    y: Tensor,
    distance: Distance,
    link: Link,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    max_mb: float | None = None,
) -> Tensor:
    """:func:`harmonic_cross_entropy`, with the logits of any link."""
    check_inputs(x, w)
    y = as_classes(y, x, len(w), ignore_index)
    check_name("reduction", reduction, ("mean", "sum", "none"))
    if check_number("label_smoothing", label_smoothing, "non-negative") > 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {label_smoothing!r}")
    megabytes = MAX_MB if max_mb is None else check_number("max_mb", max_mb)

    dtype = torch.promote_types(torch.promote_types(x.dtype, w.dtype), torch.float32)
    rows, classes, kept = x.reshape(-1, x.shape[-1]), y.reshape(-1), y != ignore_index
    if not kept.all():
        rows, classes = rows[kept.reshape(-1)], classes[kept.reshape(-1)]
    if isinstance(distance, Euclidean) and link.name == "harmonic":
        compute = partial(by_products, distance, link.options["exponent"])
    else:
        compute = partial(by_logits, distance, link)
    task = Task(compute, distance, Chunks(classes, label_smoothing, megabytes), reduction != "none")
    leaves = (rows.to(dtype), w.to(dtype), *distance.parameters())
    losses: Tensor
    if torch.is_grad_enabled():
        losses = _Losses.apply(task, *leaves)  # type: ignore[no-untyped-call]
    else:
        losses, _ = task.run(leaves, [False] * len(leaves), None)
    if reduction == "none":
        return losses.new_zeros(y.shape).masked_scatter(kept, losses)
    return losses.mean() if reduction == "mean" else losses.sum()


def as_classes(y: Tensor, x: Tensor, classes: int, ignore_index: int) -> Tensor:
    """``y`` as int64. Refuses anything but a class from 0 to K - 1, or the one to ignore, each."""
    if not isinstance(y, Tensor):
        raise TypeError(f"y must be a tensor, got {type(y).__name__}")
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise TypeError(f"y must hold classes, which are integers, got {y.dtype}")
    if y.shape != x.shape[:-1]:
        raise ValueError(
            f"expected one class for each input, y {tuple(x.shape[:-1])} for x {tuple(x.shape)}, "
            f"got y {tuple(y.shape)}"
        )
    if y.device != x.device:
        raise ValueError(f"expected x and y on one device, got x {x.device} and y {y.device}")
    y = y.long()  # -100 is 156 in uint8
    wrong = y[(y != ignore_index) & ((y < 0) | (y >= classes))]
    if len(wrong) > 0:
        raise ValueError(
            f"classes must be from 0 to {classes - 1}, or {ignore_index} to ignore, "
            f"got {wrong[0].item()}"
        )
    return y


@dataclass
class Task:
    """How to compute the losses, and whether to compute gradients in the same pass."""

    compute: Any
    distance: Distance
    chunks: Chunks
    ahead: bool

    def run(
        self, tensors: Sequence[Tensor], needed: Sequence[bool], weights: Tensor | None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The losses, and the gradients of ``(weights * losses).sum()`` that are needed."""
        leaves = [
            v.detach().requires_grad_(need and weights is not None)
            for v, need in zip(tensors, needed, strict=True)
        ]
        run: Any = partial(self.compute, leaves, self.chunks, weights)
        if len(leaves) > 2:  # the distance's own parameters, which may not be those it has now
            holder = _Holder(self.distance)
            names = (name for name, _ in holder.named_parameters())
            own = dict(zip(names, leaves[2:], strict=True))
            run = partial(torch.func.functional_call, holder, own, (run,))
        with without_autocast(leaves[0]), torch.set_grad_enabled(weights is not None):
            return run()  # type: ignore[no-any-return]


class _Holder(nn.Module):
    """Calls a function while the distance has other parameters."""

    def __init__(self, distance: Distance) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, function: Any) -> Any:
        return function()


class _Losses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, task: Task, *tensors: Tensor) -> Tensor:
        ctx.task, needed = task, ctx.needs_input_grad[1:]
        ctx.ahead = task.ahead and any(needed)
        weights = tensors[0].new_ones(len(tensors[0])) if ctx.ahead else None
        losses, gradients = task.run(tensors, needed, weights)
        ctx.save_for_backward(*(gradients if ctx.ahead else tensors))
        return losses

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "the gradient of harmonic_cross_entropy and head.loss cannot be differentiated "
                "again; for that, use F.cross_entropy(head(x), y)"
            )
        if ctx.ahead:  # then all rows have one weight, that of the mean or the sum
            every = g[:1].sum()
            return None, *(v if v is None else every * v for v in ctx.saved_tensors)
        return None, *ctx.task.run(ctx.saved_tensors, ctx.needs_input_grad[1:], g)[1]
