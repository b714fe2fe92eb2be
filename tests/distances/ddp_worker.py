"""What each process of the test of DistributedDataParallel does: half of the batch, every form."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from forms import FORMS, build, name_of
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

import harmonic_lib as hl

N, D, K = 8, 6, 40
PROCESSES = 2

Gradients = dict[str, dict[str, Tensor]]
"""By form and parameter."""


def head_and_batch(form: hl.DistanceSpec) -> tuple[hl.HarmonicHead, Tensor, Tensor]:
    """The same in every process."""
    torch.manual_seed(0)
    head = hl.HarmonicHead(D, K, distance=build(form, D))
    return head, torch.randn(N, D), torch.randint(K, (N,))


def gradients(head: torch.nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(1)  # the same noise, where there is noise
    F.cross_entropy(head(x), y).backward()
    return {
        name.removeprefix("module."): parameter.grad
        for name, parameter in head.named_parameters()
        if parameter.grad is not None
    }


def run(rank: int, folder: Path) -> None:
    """One process: leaves its gradients in the folder."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=PROCESSES
    )
    found: Gradients = {}
    for form in FORMS:
        head, x, y = head_and_batch(form)
        part = slice(rank * N // PROCESSES, (rank + 1) * N // PROCESSES)
        found[name_of(form)] = gradients(DistributedDataParallel(head), x[part], y[part])
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()
