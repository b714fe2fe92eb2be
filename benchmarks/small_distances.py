"""How exact is a small distance between long vectors in float32, and what does exactness cost?

`python benchmarks/small_distances.py` writes two tables beside itself:

- `small_distances.csv`: the relative error of the distance to the nearest prototype, by its
  true value (in float64), for inputs of length 30;
- `small_distances_cost.csv`: the time of one forward and backward pass, and its ratio to that
  of a plain expansion in the same round.

Each provider computes Euclidean distances, (N, D), (K, D) -> (N, K).
"""

from __future__ import annotations

import csv
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.device import device_name
from harmonic_lib.evidence.provenance import commit

HERE = Path(__file__).parent
LENGTH = 30.0
DISTANCES = np.logspace(-4, 1, 26)
N, K, D = 64, 1024, 256
CROWDS = (1, 12)
SHAPES = [(1024, 10, 256), (1024, 100, 256), (512, 2000, 256), (256, 10000, 128)]
ROUNDS = 7


def expansion(x: Tensor, w: Tensor) -> Tensor:
    """The usual short cut: |x|^2 + |w|^2 - 2 x.w, with negative squares cut off."""
    squares = x.square().sum(-1, keepdim=True) + w.square().sum(-1)
    return (squares - 2 * (x @ w.mT)).clamp_min(1e-30).sqrt()


def broadcast(x: Tensor, w: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x[:, None] - w, dim=-1)


PROVIDERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "harmonic_lib": hl.distance("euclidean"),
    "expansion": expansion,
    "torch.cdist": torch.cdist,
    "broadcast": broadcast,
}


def errors() -> Iterator[dict[str, object]]:
    """At each true distance, a prototype that far from each input, among others far away.

    In a crowd, it is the nearest of twelve; the next is a tenth farther, and so on.
    """
    torch.manual_seed(0)
    for near, target in itertools.product(CROWDS, DISTANCES):
        x = LENGTH * torch.nn.functional.normalize(torch.randn(N, D), dim=-1)
        direction = torch.nn.functional.normalize(
            torch.randn(near, N, D, dtype=torch.float64), dim=-1
        )
        steps = target * (1 + torch.arange(near) / 10)
        crowd = (x.double() + steps[:, None, None] * direction).float().reshape(-1, D)
        far = LENGTH * torch.nn.functional.normalize(torch.randn(K - near * N, D), dim=-1)
        true = torch.linalg.vector_norm(x.double() - crowd[:N].double(), dim=-1)
        for provider, distance in PROVIDERS.items():
            d = distance(x, torch.cat([crowd, far]))[:, :N].diagonal().double()
            error = ((d - true).abs() / true).sort().values
            yield {
                "provider": provider,
                "near": near,
                "distance": f"{target:.3e}",
                "median_relative_error": f"{error[N // 2]:.3e}",
                "largest_relative_error": f"{error[-1]:.3e}",
            }


def seconds(distance: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor) -> float:
    x.grad = w.grad = None
    start = time.perf_counter()
    d = distance(x, w)
    d.backward(torch.ones_like(d))
    return time.perf_counter() - start


def costs() -> Iterator[dict[str, object]]:
    """Interleaved rounds, so that what else the machine does falls on all providers alike."""
    for rows, classes, width in SHAPES:
        x = torch.randn(rows, width, requires_grad=True)
        w = torch.randn(classes, width, requires_grad=True)
        fits = {p: f for p, f in PROVIDERS.items() if p != "broadcast" or classes <= 2000}
        rounds = []
        for turn in range(ROUNDS + 1):
            order = [*fits][turn % len(fits) :] + [*fits][: turn % len(fits)]
            rounds.append({provider: seconds(fits[provider], x, w) for provider in order})
        rounds = rounds[1:]  # the first one warms up
        for provider in fits:
            ratios = sorted(each[provider] / each["expansion"] for each in rounds)
            yield {
                "provider": provider,
                "N": rows,
                "K": classes,
                "D": width,
                "median_ms": f"{1e3 * statistics.median(r[provider] for r in rounds):.2f}",
                "ratio_to_expansion": f"{statistics.median(ratios):.2f}",
                "least_ratio": f"{ratios[0]:.2f}",
                "largest_ratio": f"{ratios[-1]:.2f}",
            }


def write(name: str, rows: Iterator[dict[str, object]], **same: object) -> None:
    """A table that says in its last columns where its numbers are from."""
    same |= {"dtype": "float32", "device": device_name(), "threads": torch.get_num_threads()}
    same |= {"torch": torch.__version__, "commit": commit()}
    table = [row | same for row in rows]
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    write("small_distances.csv", errors(), N=N, K=K, D=D, length=LENGTH)
    write("small_distances_cost.csv", costs())
