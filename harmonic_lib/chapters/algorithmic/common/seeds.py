"""The seeds of a configuration, from their records: columns, medians, and the words for them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments.algorithmic import Config
from harmonic_lib.statistics.sign_test import sign_test

NOT_YET = "not recorded yet"


def runs_of(found: Iterable[Record], config: Config) -> list[Record]:
    """Those of one configuration, by seed."""
    fields = asdict(config)
    own = [record for record in found if record.config == fields]
    return sorted(own, key=lambda record: record.seed)


def column(found: Sequence[Measured], metric: str) -> Tensor:
    """A metric of each run, (S,), in float64."""
    return torch.tensor([run.metrics[metric] for run in found], dtype=torch.float64)


def late(epochs: Tensor) -> Tensor:
    """Epochs in which NaN, a seed that never got there, is infinitely late."""
    return epochs.nan_to_num(math.inf)


def median(seeds: Tensor) -> float:
    """The median; of an even number the mean of the two in the middle. It may be infinite."""
    return float(statistics.median(seeds.tolist()))


@dataclass(frozen=True)
class Rung:
    """The S seeds of one exponent; None: cross-entropy.

    An epoch is that from which 90 % is held: NaN where it never is.
    """

    exponent: float | None
    runs: Sequence[Measured]

    def column(self, metric: str) -> Tensor:
        """A metric of each seed, (S,)."""
        return column(self.runs, metric)

    @property
    def train_epoch(self) -> Tensor:
        """On training facts, (S,)."""
        return self.column("train_epoch_90")

    @property
    def test_epoch(self) -> Tensor:
        """On test facts, (S,)."""
        return self.column("test_epoch_90")

    @property
    def test_accuracy(self) -> Tensor:
        """(S,)."""
        return self.column("test_accuracy")

    @property
    def ev_2(self) -> Tensor:
        """(S,)."""
        return self.column("ev_2")

    @property
    def solved(self) -> int:
        """How many seeds held 90 % of the test facts for 20 epochs."""
        return int((~self.test_epoch.isnan()).sum())

    @property
    def right_at_the_end(self) -> int:
        """How many seeds are above 90 % of the test facts after the last epoch."""
        return int((self.test_accuracy > 0.9).sum())

    @property
    def solved_share(self) -> float:
        """The same as a share of the seeds."""
        return self.solved / len(self.runs)

    @property
    def of_seeds(self) -> str:
        """The same in words, such as "16 of 20"."""
        return f"{self.solved} of {len(self.runs)}"

    @property
    def fitted(self) -> float:
        """The median epoch of 90 % on training facts; a seed that never came counts as late."""
        return median(late(self.train_epoch))

    @property
    def generalised(self) -> float:
        """The median epoch of 90 % on test facts, in the same way."""
        return median(late(self.test_epoch))

    @property
    def delay(self) -> float:
        """The median number of epochs between the two; infinite for a seed without the second."""
        return median(late(self.test_epoch - self.train_epoch))


def paired_counts(
    ours: Sequence[Measured], theirs: Sequence[Measured], metric: str = "test_epoch_90"
) -> tuple[int, int, float]:
    """The seeds with which only one of two heads has a number for the metric, and McNemar's p.

    Seeds with ours alone, and with theirs alone; the exact two-sided p-value of McNemar's test,
    which is a sign test on these seeds. Of the common seeds; those with which both heads or
    neither get there say nothing about which does so more often.

    Raises:
        ValueError: the two have no seed in common.
    """
    first, second = (
        {r.seed: not math.isnan(r.metrics[metric]) for r in each} for each in (ours, theirs)
    )
    common = first.keys() & second.keys()
    if not common:
        raise ValueError(f"no common seeds: {sorted(first)} and {sorted(second)}")
    won = sum(first[seed] and not second[seed] for seed in common)
    lost = sum(second[seed] and not first[seed] for seed in common)
    return won, lost, sign_test(won, lost)


def sooner(
    ours: Sequence[Measured], theirs: Sequence[Measured], metric: str = "test_epoch_90"
) -> tuple[int, int]:
    """The common seeds for which ours is the smaller number, and the larger; NaN is infinite."""
    first, second = (
        {r.seed: epoch for r, epoch in zip(each, late(column(each, metric)).tolist(), strict=True)}
        for each in (ours, theirs)
    )
    common = first.keys() & second.keys()
    return (
        sum(first[seed] < second[seed] for seed in common),
        sum(first[seed] > second[seed] for seed in common),
    )


# --- words ----------------------------------------------------------------------------------
def spread(seeds: Tensor, digits: int = 0) -> str:
    """The median, with the least and the most.

    >>> spread(torch.tensor([1.0, 2.0, 9.0]))
    '2 (1 to 9)'
    """
    low, high = float(seeds.min()), float(seeds.max())
    return f"{median(seeds):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def spread_of_counts(counts: Tensor) -> str:
    """The same of whole numbers, whose median may be a half.

    >>> spread_of_counts(torch.tensor([4.0, 4.0, 5.0, 6.0]))
    '4.5 (4 to 6)'
    """
    return f"{median(counts):g} ({float(counts.min()):g} to {float(counts.max()):g})"


def epoch_text(epoch: float) -> str:
    """A median epoch, or that half of the seeds or more never came."""
    return f"{epoch:g}" if math.isfinite(epoch) else "never"


def holds(truth: bool | None) -> str:
    """Whether the records bear a statement out; None: they are not there yet."""
    return NOT_YET if truth is None else "holds" if truth else "does not hold"
