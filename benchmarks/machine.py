"""What this machine can do, measured, and the least time that the work of `heads.py` takes by it.

The floor of a piece of work is the longer of its arithmetic, at the measured speeds, and of
reading its inputs and writing its outputs once, at the measured bandwidth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from head_tasks import PAIRS, PRODUCTS, SIZES
from torch import Tensor

SIDE_BY_SIDE, CHAIN, CALLS = 8, 16, 20
"""Chains that a core can do at once, operations of each (with 30, torch.compile would store what
lies between), and calls in each round."""

OPERATIONS: dict[str, dict[str, int]] = {
    # forward |x - w|, summed: 3. In x, and again in w, g sign(x - w), summed: 4 each.
    "manhattan": {"adds": 3 + 2 * 4},
    # the same of bits, which are made of x and of w before
    "hamming": {"adds": 3 + 2 * 4},
    # the same for the numerator and for the denominator
    "bray_curtis": {"adds": 2 * (3 + 2 * 4)},
    # forward |x - w|, compared and kept with its place: 4. Its gradient is in one coordinate.
    "chebyshev": {"adds": 4},
    # forward |x - w| sqrt|x - w|, summed: 4 and a root. In x and in w, sign(x - w) times a
    # root times what is common to the pair, summed: 5 and a root each.
    "minkowski": {"adds": 4 + 2 * 5, "sqrt": 1 + 2},
    # forward |x - w| / (|x| + |w|), summed: 4 and a division (|x| and |w| are at hand). In x and
    # in w, g (sign(x - w) - |x - w| / s * sign(x)) / s with s = |x| + |w|, summed: 10 and the
    # division 1 / s each.
    "canberra": {"adds": 4 + 2 * 10, "div": 1 + 2},
}
"""Operations for one coordinate of one pair, forwards and in both gradients, which sum over
different things and so are loops of their own. Whatever is neither a root nor a division
counts as an addition, and what is done once for a vector or a pair counts as nothing."""


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def machine_rows(
    rounds: int, size: int = 2048, megabytes: int = 256
) -> Iterator[dict[str, object]]:
    """Speeds, in billions a second, and the floors that follow from them."""
    speeds = {}
    for name, (work, amount, numbers) in works(size, megabytes).items():
        work()
        times = sorted(seconds(work) for _ in range(rounds * (CALLS if name in CHAINS else 1)))
        speeds[name] = amount / times[0]
        yield {
            "case": "machine",
            "operation": name,
            "N": numbers,
            "median_ms": f"{1e3 * times[len(times) // 2]:.3f}",
            "least_ms": f"{1e3 * times[0]:.3f}",
            "largest_ms": f"{1e3 * times[-1]:.3f}",
            "per_second": f"{speeds[name] / 1e9:.2f}",
        }
    for floor, case, named in floors(speeds):
        ms = f"{1e3 * floor:.3f}"
        same = {"median_ms": ms, "least_ms": ms, "largest_ms": ms}
        yield {"case": "machine", "operation": f"floor of {case}", **named, **same}


Measured = tuple[Callable[[], object], float, int]


def works(size: int, megabytes: int) -> dict[str, Measured]:
    """What is timed for each speed; how much of it a call does; and of how many numbers."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    source = torch.rand(megabytes * 2**18)
    target = torch.empty_like(source)
    found: dict[str, Measured] = {
        "sgemm": (lambda: torch.mm(a, b), 2.0 * size**3, size),
        # read once and written once
        "bandwidth": (lambda: target.copy_(source), 8.0 * len(source), len(source)),
    }
    # 1 MiB an operand: in the cache; and so many operations a number that loading is little.
    x, y = torch.rand(2**18) + 1, torch.rand(2**18) + 1
    for name, step in CHAINS.items():
        compiled = torch.compile(chains_of(step))
        own = SIDE_BY_SIDE * CHAIN + (2 * SIDE_BY_SIDE - 1 if name == "adds" else 0)
        found[name] = (lambda f=compiled: f(x, y), float(own * len(x)), len(x))
    return found


CHAINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "adds": lambda v, y: v + y,
    "sqrt": lambda v, _: v.sqrt(),
    "div": lambda v, y: y / v,
}


def chains_of(step: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The same operation again and again, in a few chains, so that none waits for another."""

    def chains(x: Tensor, y: Tensor) -> Tensor:
        ends = [x + i for i in range(SIDE_BY_SIDE)]
        for _ in range(CHAIN):
            ends = [step(v, y) for v in ends]
        return sum(ends[1:], ends[0])

    return chains


def floors(speeds: dict[str, float]) -> Iterator[tuple[float, str, dict[str, object]]]:
    """Least seconds, the case, and what of it."""
    for n, k, d in SIZES["vocabulary"]:
        # three matrix products; inputs and weights read, and their gradients written
        work, moved = 6.0 * n * k * d / speeds["sgemm"], 4.0 * 2 * (n + k) * d
        for distance, form in [("", ""), *PRODUCTS]:
            named = {"distance": distance, "form": form, "N": n, "K": k, "D": d}
            yield max(work, moved / speeds["bandwidth"]), "vocabulary", named
    for n, k, d in SIZES["pairs"]:
        for distance, form in PAIRS:
            per_coordinate = sum(c / speeds[op] for op, c in OPERATIONS[distance].items())
            moved = 4.0 * 2 * ((n + k) * d + n * k)  # and distances out, their gradient in
            named = {"distance": distance, "form": form, "N": n, "K": k, "D": d}
            yield max(n * k * d * per_coordinate, moved / speeds["bandwidth"]), "pairs", named
