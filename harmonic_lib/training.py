"""One training loop for every experiment, on Lightning Fabric: CPU, GPU, many of them, bf16."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.ensemble import Ensemble

if TYPE_CHECKING:
    from lightning_fabric import Fabric

History = dict[str, Tensor]
"""By name, (epochs, S): "loss", the mean training loss of an epoch, "seconds", what it took all
members together, and whatever was watched."""


def train(
    ensemble: Ensemble,
    seeds: Sequence[int],
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    penalty: Callable[[Ensemble], Tensor] | None = None,
    watch: Callable[[Ensemble], Mapping[str, Tensor]] | None = None,
    fabric: Fabric | None = None,
    checkpoint: Path | None = None,
    every: int = 500,
) -> History:
    """Train classifiers by cross-entropy and AdamW; each sees its data in its own order.

    Every process of ``fabric`` takes its share of the rows of every batch, so that the sum
    of their work is that of one process, up to rounding.

    Args:
        seeds: S numbers; member s draws its data order from ``seeds[s]``.
        x: the inputs, (N, ...) for all members, or (S, N, ...) for each its own.
        y: the classes, (N) or (S, N).
        penalty: (S,) to add to the members' losses, such as a regulariser.
        watch: called after each epoch, out of training mode and without gradients;
            what it gives, (S,) by name, becomes part of the history.
        fabric: where and how to train; None for the accelerator if there is one, else the CPU.
            With several processes, :meth:`Fabric.launch` is the caller's.
        checkpoint: a file that keeps the whole state of the run, after every ``every``
            epochs; where it exists, the run goes on from there. It is replaced in one step:
            a process that dies leaves the last one whole.

    Raises:
        ValueError: not as many seeds as members, inputs and classes that do not match, or
            the checkpoint of another run.
    """
    check_data(ensemble.size, seeds, x, y)
    fabric = fabric or one_device()
    x, y = x.to(fabric.device), y.to(fabric.device)
    optimiser = torch.optim.AdamW(
        ensemble.parameters(), lr=lr, weight_decay=weight_decay, fused=has_fused(fabric.device)
    )
    module, optimiser = fabric.setup(ensemble, optimiser)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    run = {"seeds": list(seeds), "batch_size": batch_size, "lr": lr, "weight_decay": weight_decay}
    past: History = {}
    if checkpoint is not None and checkpoint.exists():
        past = load(checkpoint, fabric, module, optimiser, orders, run)
    behind = len(past["loss"]) if past else 0
    # all of it at once: small pieces that stay, between large ones that go, fill the memory
    history = {name: longer(value, epochs) for name, value in past.items()}
    size, rank = fabric.world_size, fabric.global_rank
    for epoch in range(behind, epochs):
        begun = time.perf_counter()
        module.train()
        total = torch.zeros(ensemble.size, device=fabric.device)
        for rows in batches(orders, y.shape[-1], batch_size, fabric.device):
            own = rows[:, rank::size]
            logits, targets = module(take(x, own, y.ndim)), take(y, own, y.ndim)
            each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            # the mean over processes, which is what they exchange, is then the mean of the batch
            loss = each.view(own.shape).sum(1) * size / rows.shape[1]
            total += loss.detach() * rows.shape[1] / y.shape[-1]
            if penalty is not None:
                loss = loss + penalty(ensemble)
            optimiser.zero_grad()
            fabric.backward(loss.sum())
            optimiser.step()
        row = {"loss": mean_over(fabric, total), **watched(ensemble, watch)}
        row["seconds"] = torch.full((ensemble.size,), time.perf_counter() - begun)
        for name, value in row.items():
            history.setdefault(name, torch.empty(epochs, ensemble.size))[epoch] = value.detach()
        done = epoch + 1
        if checkpoint is not None and (done % every == 0 or done == epochs):
            so_far = {name: value[:done].clone() for name, value in history.items()}
            save(checkpoint, fabric, module, optimiser, orders, run, so_far)
    return history


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
    """:func:`train` some modules in place, where their parameters are: their losses, (epochs, S).

    Raises:
        ValueError: no models, or not as many seeds as models.
    """
    if len(models) != len(seeds):
        raise ValueError(f"expected one seed a model, got {len(models)} models, {len(seeds)} seeds")
    ensemble = Ensemble(models)
    history = train(
        ensemble,
        seeds,
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        fabric=one_device(x.device.type),
    )
    ensemble.write_back(models)
    return history["loss"]


def one_device(accelerator: str = "auto") -> Fabric:
    """A Fabric on one device; imported here, because it takes as long to import as torch."""
    from lightning_fabric import Fabric

    return Fabric(accelerator=accelerator, devices=1)


def check_data(members: int, seeds: Sequence[int], x: Tensor, y: Tensor) -> None:
    """Refuse what does not fit together."""
    if members != len(seeds):
        raise ValueError(f"expected one seed a member, got {members} members, {len(seeds)} seeds")
    if y.ndim not in (1, 2) or x.shape[: y.ndim] != y.shape:
        raise ValueError(
            f"expected x (N, ...) and y (N), or (S, N, ...) and (S, N), got {tuple(x.shape)}"
            f" and {tuple(y.shape)}"
        )
    if y.ndim == 2 and len(y) != members:
        raise ValueError(f"expected data of {members} members, got {len(y)}")


def has_fused(device: torch.device) -> bool:
    """Whether AdamW has one kernel for all parameters there; its numbers are the same."""
    return device.type in ("cpu", "cuda")


def batches(
    orders: Sequence[torch.Generator], size: int, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """One epoch's rows, (S, B) a batch, every member in its own order; the last may be short."""
    permutations = torch.stack([torch.randperm(size, generator=order) for order in orders])
    yield from permutations.to(device).split(batch_size, dim=1)


def take(values: Tensor, rows: Tensor, dims: int) -> Tensor:
    """Each member's rows (S, B) of ``values``: shared (N, ...), or, at two ``dims``, own."""
    if dims == 1:
        return values[rows]
    return values[torch.arange(len(rows), device=rows.device).unsqueeze(1), rows]


def mean_over(fabric: Fabric, value: Tensor) -> Tensor:
    """The mean of a value over the processes."""
    mean = fabric.all_reduce(value)
    assert isinstance(mean, Tensor)
    return mean


@torch.no_grad()
def watched(
    ensemble: Ensemble, watch: Callable[[Ensemble], Mapping[str, Tensor]] | None
) -> Mapping[str, Tensor]:
    """What is watched, of the ensemble out of training mode."""
    if watch is None:
        return {}
    ensemble.eval()
    return watch(ensemble)


def longer(past: Tensor, epochs: int) -> Tensor:
    """(epochs, S), of which the first rows are those of ``past``."""
    whole = torch.empty(max(epochs, len(past)), past.shape[1])
    whole[: len(past)] = past
    return whole


def save(
    path: Path,
    fabric: Fabric,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    orders: Sequence[torch.Generator],
    run: Mapping[str, object],
    past: History,
) -> None:
    """Write the state of a run beside ``path``, then put it in its place."""
    state = {
        "module": module,
        "optimiser": optimiser,
        "orders": [order.get_state() for order in orders],
        "noise": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
        "run": dict(run),
        "past": past,
    }
    fresh = path.with_name(f"{path.name}.new")
    fabric.save(fresh, state)
    if fabric.is_global_zero:
        fresh.replace(path)
    fabric.barrier()


def load(
    path: Path,
    fabric: Fabric,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    orders: Sequence[torch.Generator],
    run: Mapping[str, object],
) -> History:
    """Put a run where it was when it was saved; the epochs that it has behind it."""
    rest = fabric.load(path, {"module": module, "optimiser": optimiser}, weights_only=True)
    if rest["run"] != dict(run):
        raise ValueError(f"{path} is the checkpoint of another run: {rest['run']}, not {dict(run)}")
    for order, state in zip(orders, rest["orders"], strict=True):
        order.set_state(state)
    noise, *on_gpus = rest["noise"]
    torch.set_rng_state(noise)
    torch.cuda.set_rng_state_all(on_gpus)
    past: History = rest["past"]
    return past


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 1000) -> float:
    """The share of rows whose largest logit is that of their class, in [0, 1]."""
    hits = sum(
        int((model(xs).argmax(-1) == ys).sum())
        for xs, ys in zip(x.split(batch_size), y.split(batch_size), strict=True)
    )
    return hits / len(y)
