"""What each process of the tests of sharding does: one step on its half of the batch."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

import harmonic_lib as hl

PROCESSES = 2
DISTANCES = ("euclidean", "mahalanobis", "manhattan")


class Classifier(nn.Module):
    """As in DistributedDataParallel's documentation, the loss is computed inside of forward."""

    def __init__(self, distance: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(8, 8), hl.HarmonicHead(8, 40, distance)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head.loss(self.body(x), y)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 8, generator=generator)
    return x, torch.randint(40, (12,), generator=generator)


def stepped(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """One step of gradient descent."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(x, y).backward()
    optimiser.step()


def whole(model: nn.Module) -> dict[str, Tensor]:
    """The parameters, gathered where they are sharded."""
    return {
        name.removeprefix("module."): (p.full_tensor() if hasattr(p, "full_tensor") else p).detach()
        for name, p in model.named_parameters()
    }


def run(rank: int, folder: Path) -> None:
    """One process: leaves its parameters, and what it was told, in the folder."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=PROCESSES
    )
    mesh = dist.init_device_mesh("cpu", (PROCESSES,))
    x, y = (v.chunk(PROCESSES)[rank] for v in batch())
    found = {}
    for distance in DISTANCES:
        parallel = DistributedDataParallel(Classifier(distance))
        stepped(parallel, x, y)
        found[f"DDP {distance}"] = whole(parallel)
        model = Classifier(distance)
        fully_shard(model.head, mesh=mesh)
        fully_shard(model, mesh=mesh)
        try:
            model(x, y)
        except RuntimeError as error:
            found[f"told {distance}"] = str(error)
        model = Classifier(distance)
        fully_shard(model.head, mesh=mesh)
        register_fsdp_forward_method(model.head, "loss")
        fully_shard(model, mesh=mesh)
        stepped(model, x, y)
        found[f"FSDP2 {distance}"] = whole(model)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()
