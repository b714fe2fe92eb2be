"""One training loop, for an ensemble: S modules of one shape, trained as one computation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


def fit(
    models: Sequence[nn.Module],
    seeds: Sequence[int],
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
) -> Tensor:
    """Train classifiers by cross-entropy and AdamW; each sees the data in its own order.

    The members share every kernel launch and nothing else: AdamW works element by
    element, so each gets what it would get alone, up to the rounding of the batched
    kernels.

    Args:
        models: S modules of one structure, each ``(B, D) -> (B, K)`` logits; trained in place.
        seeds: S numbers; member s draws its data order from ``seeds[s]``.
        x: (N, D) inputs, shared by all, on the device of the models.
        y: (N,) classes.

    Returns:
        (epochs, S): each member's mean training loss in each epoch.

    Raises:
        ValueError: no models, or not as many seeds as models.
    """
    if not models or len(models) != len(seeds):
        raise ValueError(f"expected one seed a model, got {len(models)} models, {len(seeds)} seeds")
    template = models[0]
    params, buffers = stack_module_state(list(models))
    optimiser = torch.optim.AdamW(params.values(), lr=lr, weight_decay=weight_decay)

    def member_loss(p: dict[str, Tensor], b: dict[str, Tensor], xs: Tensor, ys: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(template, (p, b), (xs,)), ys)

    losses = vmap(member_loss, randomness="different")
    history = torch.zeros(epochs, len(models), device=x.device)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    for epoch in range(epochs):
        for rows in batches(orders, len(y), batch_size, x.device):
            loss = losses(params, buffers, x[rows], y[rows])
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
            history[epoch] += loss.detach() * rows.shape[1] / len(y)
    with torch.no_grad():
        for s, model in enumerate(models):
            for name, own in [*model.named_parameters(), *model.named_buffers()]:
                own.copy_((params | buffers)[name][s])
    return history.cpu()


def batches(
    orders: Sequence[torch.Generator], size: int, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """One epoch's rows, (S, B) a batch, every member in its own order; the last may be short."""
    permutations = torch.stack([torch.randperm(size, generator=order) for order in orders])
    yield from permutations.to(device).split(batch_size, dim=1)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 1000) -> float:
    """The share of rows whose largest logit is that of their class, in [0, 1]."""
    hits = sum(
        int((model(xs).argmax(-1) == ys).sum())
        for xs, ys in zip(x.split(batch_size), y.split(batch_size), strict=True)
    )
    return hits / len(y)
