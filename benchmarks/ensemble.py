"""What an ensemble of 20 seeds costs beside one seed, and how far its members are from runs alone.

`python benchmarks/ensemble.py` writes `ensemble.csv` beside itself; README.md here says what each
column is. Both do the same number of steps of the released modular addition, in turn, in rounds,
in this process with one thread; the first round warms up.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from harmonic_lib.evidence.provenance import commit
from harmonic_lib.experiments import algorithmic

TABLE = Path(__file__).with_name("ensemble.csv")
SEEDS = algorithmic.SEEDS["full"]
EPOCHS = 20


def rows(rounds: int) -> Iterator[dict[str, object]]:
    """A row a head: the two times, their ratio, and the largest differences."""
    for head in algorithmic.HEADS:
        config = replace(algorithmic.as_released("modular_addition", head), epochs=EPOCHS)
        clocked: dict[int, list[float]] = {1: [], len(SEEDS): []}
        for turn in range(rounds + 1):
            for size in sorted(clocked, reverse=bool(turn % 2)):
                started = time.perf_counter()
                algorithmic.trained(config, SEEDS[:size])
                if turn:
                    clocked[size].append(time.perf_counter() - started)
        one, many = (statistics.median(times) for times in clocked.values())
        yield {
            "head": head,
            "seeds": len(SEEDS),
            "steps": EPOCHS * 25,
            "one_s": f"{one:.3f}",
            "ensemble_s": f"{many:.3f}",
            "ratio": f"{many / one:.2f}",
            **differences(config),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "commit": commit(),
        }


def differences(config: algorithmic.Config) -> dict[str, str]:
    """The largest differences between members and the same seeds alone."""
    together = algorithmic.trained(config, SEEDS)
    weight, loss = 0.0, 0.0
    for s, seed in enumerate(SEEDS):
        alone = algorithmic.trained(config, (seed,))
        for ours, own in zip(
            together.members[s].parameters(), alone.members[0].parameters(), strict=True
        ):
            weight = max(weight, float((ours - own).detach().abs().max()))
        gap = together.history["loss"][:, s] - alone.history["loss"][:, 0]
        loss = max(loss, float(gap.abs().max()))
    return {"largest_weight_gap": f"{weight:.1e}", "largest_loss_gap": f"{loss:.1e}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for row in rows(options.rounds):
        print(row, flush=True)
        found.append(row)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    main()
