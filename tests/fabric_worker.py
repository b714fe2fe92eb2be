"""What each process of the test of two processes does: the same run, a share of each batch."""

from __future__ import annotations

import sys

import torch
from lightning_fabric import Fabric
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.training import train

N, D, K = 50, 5, 4


def losses(processes: int) -> Tensor:
    """The loss curve of two members in five epochs, with a last batch of two rows."""
    strategy = "ddp" if processes > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=processes, strategy=strategy)
    fabric.launch()
    torch.manual_seed(0)
    x, y = torch.randn(N, D), torch.randint(K, (N,))
    ensemble = Ensemble([hl.HarmonicHead(D, K) for _ in range(2)])
    history = train(
        ensemble, [0, 1], x, y, epochs=5, batch_size=16, lr=0.05, weight_decay=0.1, fabric=fabric
    )
    return history["loss"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.save(losses(processes=2), sys.argv[1])
