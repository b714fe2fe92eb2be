"""The training loop of every experiment, on Lightning Fabric: on CPU or GPUs, also in bfloat16."""

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
"""Tensors (epochs, S) by name: "loss", the mean training loss of an epoch; "seconds", its duration
for all members together; and what ``watch`` returned."""


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
    """Train S classifiers with cross-entropy and AdamW; each member has its own data order.

    With several processes, each one takes a part of the rows of every batch. The result is
    that of one process, up to rounding.

    Args:
        seeds: S numbers; member s draws its data order from ``seeds[s]``.
        x: the inputs, (N, ...) shared by all members, or (S, N, ...) with one set per member.
        y: the classes, (N) or (S, N).
        penalty: returns (S,) values that are added to the members' losses, such as a regulariser.
        watch: called after each epoch in evaluation mode, without gradients. It returns
            tensors (S,) by name, which become part of the history.
        fabric: where and how to train; None for the accelerator if there is one, else the CPU.
            With several processes, the caller has called :meth:`Fabric.launch`.
        checkpoint: a file for the whole state of the run, written after every ``every``
            epochs. If it exists, the run continues from it. It is replaced in one step, so
            that a process that is killed leaves the previous one complete.

    Raises:
        ValueError: the number of seeds is not that of members, inputs and classes do not
            match, or the checkpoint is that of another run.
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
    # allocated once: small tensors added every epoch would fragment the memory
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
            # processes average their gradients: so scaled, the average is that of the batch
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
    """:func:`train` modules in place, on the device of ``x``; returns their losses, (epochs, S).

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
    """Raise ValueError unless members, seeds, inputs and classes fit together."""
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
    """Whether AdamW has a fused kernel on the device; its results are the same."""
    return device.type in ("cpu", "cuda")


def batches(
    orders: Sequence[torch.Generator], size: int, batch_size: int, device: torch.device
) -> Iterator[Tensor]:
    """The rows (S, B) of each batch of one epoch, in each member's order; the last may be short."""
    permutations = torch.stack([torch.randperm(size, generator=order) for order in orders])
    yield from permutations.to(device).split(batch_size, dim=1)


def take(values: Tensor, rows: Tensor, dims: int) -> Tensor:
    """Rows (S, B) of ``values``: of (N, ...) if ``dims`` is 1, of (S, N, ...) if it is 2."""
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
    """What ``watch`` returns for the ensemble in evaluation mode; nothing without it."""
    if watch is None:
        return {}
    ensemble.eval()
    return watch(ensemble)


def longer(past: Tensor, epochs: int) -> Tensor:
    """A tensor (epochs, S) that begins with the rows of ``past``."""
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
    """Write the state of a run to a new file, then rename it to ``path``."""
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
    """Restore the state of a run; returns the history of its past epochs."""
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
