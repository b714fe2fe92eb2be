"""Both heads on a clean split, compared over the same seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from harmonic_lib.chapters.algorithmic.common.seeds import NOT_YET, column, late, runs_of
from harmonic_lib.checks import check_name
from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.statistics.paired import PairedDifference, holm, paired_difference
from harmonic_lib.statistics.sign_test import sign_test

SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algo.SEEDS["full"]}
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """Both heads on the clean split of a task, over the same seeds.

    accuracy: by head, (S,) test accuracies. epoch: by head, (S,) epochs of 90 % on test facts,
    NaN where a seed never came there. source: "recorded" or "this page".
    """

    task: str
    source: str
    epochs: int
    accuracy: Mapping[str, Tensor]
    epoch: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The task, in words, and what was run if it is not the recorded protocol."""
        run = f" (this page: {len(self.epoch['harmonic'])} seeds, {self.epochs} epochs)"
        return self.task.replace("_", " ") + (run if self.source == "this page" else "")

    @property
    def difference(self) -> PairedDifference:
        """Harmonic less cross-entropy, of the test accuracy."""
        ours, theirs = self.accuracy["harmonic"], self.accuracy["cross-entropy"]
        return paired_difference(ours.tolist(), theirs.tolist())

    @property
    def sooner(self) -> tuple[int, int, float]:
        """Seeds in which the harmonic head is the first at 90 %, those in which the other is; p.

        A sign test, two-sided: a seed that never comes is later than any that does, and a tie
        says nothing.
        """
        ours, theirs = (late(self.epoch[head]) for head in ("harmonic", "cross-entropy"))
        won, lost = int((ours < theirs).sum()), int((ours > theirs).sum())
        return won, lost, sign_test(won, lost)


def pair(name: str, epochs: int) -> dict[str, algo.Config]:
    """The like-for-like configurations of both heads on a task."""
    return {
        head: algo.like_for_like(name, distance, exponent, epochs=epochs)
        for head, (distance, exponent) in algo.HEADS.items()
    }


def compared(
    name: str, source: str, epochs: int, measured: Mapping[str, Iterable[Measured]]
) -> Comparison:
    """The comparison of the seeds that both heads have; at least two.

    Raises:
        ValueError: there are fewer.
    """
    by_seed = {head: {r.seed: r for r in found} for head, found in measured.items()}
    seeds = sorted(set.intersection(*map(set, by_seed.values())))
    if len(seeds) < 2:
        raise ValueError(f"a comparison on {name} needs two common seeds, got {seeds}")

    own = {head: [by_seed[head][seed] for seed in seeds] for head in by_seed}
    accuracy, epoch = (
        {head: column(found, metric) for head, found in own.items()}
        for metric in ("test_accuracy", "test_epoch_90")
    )
    return Comparison(name, source, epochs, accuracy, epoch)


def comparisons(
    profile: str, recorded: Sequence[Record], small: Sequence[str]
) -> dict[str, Comparison | None]:
    """Each task's comparison: from records of the full protocol, or of this page, or None.

    small: the tasks that are trained here and now where both heads are not recorded.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    found: dict[str, Comparison | None] = {}
    brief = "smoke" if profile == "smoke" else "quick"
    for name in algo.NAMES:
        long = pair(name, algo.EPOCHS["full"])
        past = {head: runs_of(recorded, config) for head, config in long.items()}
        every = set(algo.SEEDS["full"])
        if all(every <= {record.seed for record in each} for each in past.values()):
            found[name] = compared(name, "recorded", long["harmonic"].epochs, past)
        elif name in small:
            now = pair(name, algo.EPOCHS[brief])
            trained = {head: algo.run(config, SEEDS[brief]) for head, config in now.items()}
            found[name] = compared(name, "this page", now["harmonic"].epochs, trained)
        else:
            found[name] = None
    return found


def corrected(found: Iterable[Comparison | None]) -> dict[str, tuple[float, float]]:
    """By task, Holm's p of the difference in test accuracy and of who is sooner at 90 %.

    Each of the two is a family of its own, over the tasks that are compared.
    """
    some = [each for each in found if each is not None]
    accuracy = holm([each.difference.p_value for each in some])
    sooner = holm([each.sooner[2] for each in some])
    return dict(zip((each.task for each in some), zip(accuracy, sooner, strict=True), strict=True))


def sentence(found: Iterable[Comparison | None]) -> str:
    """What these comparisons of test accuracy allow to be said, and no more."""
    some = [each for each in found if each is not None]
    gains = {each.name: each.difference.difference.mean for each in some}
    p_values = [accuracy for accuracy, _ in corrected(some).values()]
    said = told(gains, p_values, ("significantly higher", "significantly lower"))
    return f"On a clean split, like for like, the harmonic head's test accuracy is {said}"


def sentence_sooner(found: Iterable[Comparison | None]) -> str:
    """What they allow to be said about who is the first at 90 % on test facts."""
    some = [each for each in found if each is not None]
    gains = {each.name: float(each.sooner[0] - each.sooner[1]) for each in some}
    p_values = [sooner for _, sooner in corrected(some).values()]
    said = told(gains, p_values, ("significantly more often", "significantly less often"))
    return f"The harmonic head comes to 90 %, held for 20 epochs, before cross-entropy {said}"


def told(gains: Mapping[str, float], p_values: Sequence[float], words: tuple[str, str]) -> str:
    """On which tasks there is a difference in which direction, and on which none can be told."""
    if not gains:
        return f"{NOT_YET} on any task"
    more, less = words
    none = f"neither {more} nor {less.removeprefix('significantly ')}"
    said: dict[str, list[str]] = {more: [], less: [], none: []}
    for (name, gain), p in zip(gains.items(), p_values, strict=True):
        said[none if p >= ALPHA else more if gain > 0 else less].append(name)
    parts = [f"{word} on {listed(names)}" for word, names in said.items() if names]
    count = f"{len(gains)} of the {len(algo.NAMES)} tasks"
    return f"{'; '.join(parts)} ({count} compared; level 5 %, Holm's correction)"


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
