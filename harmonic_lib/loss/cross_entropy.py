"""The loss of a distance head for many classes, in little memory.

Never holds the (N, K, D) differences, nor an (N, K) matrix above ``max_mb``.
"""

from __future__ import annotations

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
    weight: Tensor | None = None,
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
        y: the class of each input, (...), integers from 0 to K - 1, or ``ignore_index``; or
            soft labels, (..., K), the probabilities of the classes, through logits of chunks.
        distance: a name of ``harmonic_lib.DISTANCES``, or a ``Distance`` module.
        exponent: n > 0; None for that of :class:`harmonic_lib.HarmonicHead`.
        ignore_index: inputs of this class have no loss and no gradient, whatever they hold.
        label_smoothing: the share, in [0, 1], of the target that is spread over all classes.
        reduction: "mean" over the inputs that are not ignored, "sum", or "none" for (...), with
            0 for the ignored; then the gradient is computed in the backward pass.
        max_mb: about how many MiB all (rows, K) matrices may take at once; None for 64. One row
            at a time is the least.
        weight: a weight for each class, (K), not negative. "mean" then divides by the sum of the
            weights of the inputs' classes; for soft labels by the number of inputs.

    Raises:
        TypeError: ``x`` or ``w`` is not a floating-point tensor, or ``y`` neither integers nor
            probabilities.
        ValueError: shapes, devices, classes or options do not fit; an unknown name.
        RuntimeError: in the backward pass, where the gradient is to be differentiated again.

    Source: Baek et al. 2025, section 2; gradients beside the loss as in Liger-Kernel.
    """
    check_inputs(x, w)
    measure = as_distance(distance, x.shape[-1])
    n = measure.default_exponent(x.shape[-1]) if exponent is None else exponent
    loss: Tensor = cross_entropy(
        x,
        w,
        y,
        measure,
        link("harmonic", exponent=n),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        max_mb=max_mb,
        weight=weight,
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
    weight: Tensor | None = None,
) -> Tensor:
    """:func:`harmonic_cross_entropy`, with the logits of any link."""
    check_inputs(x, w)
    y = as_targets(y, x, len(w), ignore_index)
    check_name("reduction", reduction, ("mean", "sum", "none"))
    if check_number("label_smoothing", label_smoothing, "non-negative") > 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {label_smoothing!r}")
    megabytes = MAX_MB if max_mb is None else check_number("max_mb", max_mb)

    dtype = torch.promote_types(torch.promote_types(x.dtype, w.dtype), torch.float32)
    soft = y.is_floating_point()
    rows, targets = x.reshape(-1, x.shape[-1]), y.reshape(-1, *y.shape[x.ndim - 1 :])
    kept = torch.ones_like(y[..., 0], dtype=torch.bool) if soft else y != ignore_index
    if not kept.all():
        rows, targets = rows[kept.reshape(-1)], targets[kept.reshape(-1)]
    of_class = None if weight is None else as_weights(weight, w).to(dtype)
    of_row = None if of_class is None or soft else of_class[targets]
    # Where a target is one class, its weight is the row's; else each class needs its own.
    many = soft or (of_class is not None and label_smoothing > 0)
    if isinstance(distance, Euclidean) and link.name == "harmonic" and not many:
        compute = partial(by_products, distance, link.options["exponent"])
    else:
        compute = partial(by_logits, distance, link)
    targets = targets.to(dtype) if soft else targets
    chunks = Chunks(targets, label_smoothing, megabytes, of_class if many else None)
    task = Task(compute, distance, chunks, reduction != "none", None if many else of_row)
    leaves = (rows.to(dtype), w.to(dtype), *tensors_of(distance).values())
    losses: Tensor
    if torch.is_grad_enabled():
        losses = _Losses.apply(task, *leaves)  # type: ignore[no-untyped-call]
    else:
        losses, _ = task.run(leaves, [False] * len(leaves), None)
    if reduction == "none":
        return losses.new_zeros(kept.shape).masked_scatter(kept, losses)
    if reduction == "mean" and of_row is not None:
        return losses.sum() / of_row.sum()
    return losses.mean() if reduction == "mean" else losses.sum()


def as_targets(y: Tensor, x: Tensor, classes: int, ignore_index: int) -> Tensor:
    """``y`` as classes in int64, or as probabilities. Refuses anything else."""
    if not isinstance(y, Tensor):
        raise TypeError(f"y must be a tensor, got {type(y).__name__}")
    if y.device != x.device:
        raise ValueError(f"expected x and y on one device, got x {x.device} and y {y.device}")
    if not y.is_floating_point():
        return as_classes(y, x, classes, ignore_index)
    if y.shape == x.shape[:-1]:
        raise TypeError(f"y must hold classes, which are integers, got {y.dtype}")
    if y.shape != (*x.shape[:-1], classes):
        raise ValueError(
            f"expected a probability for each class and input, y {(*x.shape[:-1], classes)} "
            f"for x {tuple(x.shape)}, got y {tuple(y.shape)}"
        )
    if y.requires_grad:
        raise ValueError("soft labels get no gradient here: detach y, or use F.cross_entropy")
    return y


def as_weights(weight: Tensor, w: Tensor) -> Tensor:
    """The weights of the classes; refuses what is not one for each."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        given = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"weight must be a floating-point tensor, got {given}")
    if weight.shape != w.shape[:1] or weight.device != w.device:
        raise ValueError(
            f"weight must be {len(w)} numbers on {w.device}, "
            f"got {tuple(weight.shape)} on {weight.device}"
        )
    if (weight < 0).any():
        raise ValueError(f"weight must hold no number below 0, got {weight.min().item():g}")
    if weight.requires_grad:
        raise ValueError("the weights of classes get no gradient here: detach weight")
    return weight


def tensors_of(distance: nn.Module) -> dict[str, Tensor]:
    """The parameters of a distance, by name; in a replica that ``nn.DataParallel`` made, which has
    none, the tensors in their place."""
    found: dict[str, Tensor] = dict(distance.named_parameters())
    for name, module in distance.named_modules():
        for key, value in getattr(module, "_former_parameters", {}).items():
            found[f"{name}.{key}".lstrip(".")] = value
    return found


def as_classes(y: Tensor, x: Tensor, classes: int, ignore_index: int) -> Tensor:
    """``y`` as int64. Refuses anything but a class from 0 to K - 1, or the one to ignore, each."""
    if y.is_complex() or y.dtype == torch.bool:
        raise TypeError(f"y must hold classes, which are integers, got {y.dtype}")
    if y.shape != x.shape[:-1]:
        raise ValueError(
            f"expected one class for each input, y {tuple(x.shape[:-1])} for x {tuple(x.shape)}, "
            f"got y {tuple(y.shape)}"
        )
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
    of_row: Tensor | None = None
    """What the loss of each row, and its gradients, are multiplied by."""

    def run(
        self, tensors: Sequence[Tensor], needed: Sequence[bool], weights: Tensor | None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The losses, and the gradients of ``(weights * losses).sum()`` that are needed."""
        if weights is not None and self.of_row is not None:
            weights = weights * self.of_row
        leaves = [
            v.detach().requires_grad_(need and weights is not None)
            for v, need in zip(tensors, needed, strict=True)
        ]
        run: Any = partial(self.compute, leaves, self.chunks, weights)
        if len(leaves) > 2:  # the distance's own parameters, which may not be those it has now
            holder = _Holder(self.distance)
            own = dict(zip(tensors_of(holder), leaves[2:], strict=True))
            run = partial(torch.func.functional_call, holder, own, (run,))
        with without_autocast(leaves[0]), torch.set_grad_enabled(weights is not None):
            losses, gradients = run()
        return losses if self.of_row is None else losses * self.of_row, gradients


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
