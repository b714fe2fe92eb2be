"""What a leak is worth: tables of memory, kinds of facts, and heads compared without a leak.

The protocols are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import released_split, task
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.measurement import Measured
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.experiments.by_seed import NOT_YET, column, late, runs
from harmonic_lib.measure.paired import PairedDifference, holm, paired_difference
from harmonic_lib.measure.sign_test import sign_test
from harmonic_lib.propositions.leak import Answer

RELEASED = {name: name for name in algo.NAMES} | {"genealogy": "genealogy_as_released"}
"""The table of each task in the released protocol."""
REPORTED = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9)
"""The train fractions of the reported data efficiency."""
SEEDS = {"smoke": (0, 52), "quick": (0, 52, 105), "full": algo.SEEDS["full"]}
#: profile -> epochs of cross-entropy and of the harmonic head on drawn facts
EPOCHS = {"smoke": (3, 3), "quick": (120, 150), "full": (1500, 1500)}
#: drawn at these fractions; the harmonic head has the exponent sqrt(D), which is the fastest
LIVE = (0.4, 0.8)
EXPONENT = 4.0
ALPHA = 0.05


# --- what is reported -------------------------------------------------------------------------


def reported_curve(name: str, head: str, model: str = "mlp") -> dict[float, float]:
    """Reported test accuracy of a task by train fraction; that of 0.8 is of the main runs."""
    said = {row.claim: row.value for row in reported(algo.NAME) if row.metric == "test_accuracy"}
    main = algo.claim_of(algo.as_released(name, head, model))
    return {f: said[main if f == 0.8 else f"{main}-fraction-{f}"] for f in REPORTED}


# --- draws, and what remembering them scores --------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """The released splits of S seeds.

    leak: (S,) share of the test draws that were trained on. trained, new: (S,) how many
    different facts are trained on, and tested on without having been.
    """

    leak: Tensor
    trained: Tensor
    new: Tensor


def drawn(name: str, fraction: float, seeds: Sequence[int] = algo.SEEDS["full"]) -> Drawn:
    """How far the released splits of a task leak."""
    facts, rows = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        seen = torch.isin(split.test, split.train)
        new = len(split.test[~seen].unique())
        rows.append((float(seen.double().mean()), len(split.train.unique()), new))
    return Drawn(*torch.tensor(rows, dtype=torch.float64).T)


def memory(
    name: str, fraction: float, answer: Answer, seeds: Sequence[int] = algo.SEEDS["full"]
) -> Tensor:
    """Test accuracy, (S,), of a table that is given the training facts of each released split."""
    facts, right = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        guess = answer(facts.x[split.train], facts.y[split.train], facts.x[split.test])
        right.append((guess == facts.y[split.test]).double().mean())
    return torch.stack(right)


def majority(name: str) -> float:
    """The share of the facts of a table that have the commonest answer."""
    answers = task(name).y
    return float(answers.bincount().max()) / len(answers)


def facts_needed(
    name: str, fraction: float, level: float, seeds: Sequence[int] = algo.SEEDS["full"]
) -> Tensor:
    """The fewest new facts, (S,), that lift a memory above a level of test accuracy.

    A test fact that was drawn more than once counts as often, so the most frequent come first.
    """
    facts, needed = task(RELEASED[name]), []
    for seed in seeds:
        split = released_split(facts, algo.FACTS, fraction, seed)
        seen = torch.isin(split.test, split.train)
        often = split.test[~seen].unique(return_counts=True)[1].sort(descending=True).values
        reached = torch.cat([seen.sum().view(1), often]).cumsum(0) > level * len(split.test)
        needed.append(int((~reached).sum()))
    return torch.tensor(needed)


# --- facts that were trained on, their mirrors, and new ones ----------------------------------


@dataclass(frozen=True)
class Kinds:
    """Accuracy (S,) on all facts of a table by kind, and the share of each kind, (S,).

    kinds: "trained on", "mirror only" (not itself, but (b, a) for (a, b)) and "new".
    """

    accuracy: dict[str, Tensor]
    share: dict[str, Tensor]


def live(profile: str) -> dict[tuple[float, str], algo.Outcome]:
    """Both heads on drawn facts of modular addition, by train fraction and head.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    heads = dict(zip(algo.HEADS, ((None, None), ("euclidean", EXPONENT)), strict=True))
    return {
        (fraction, head): algo.trained(
            algo.like_for_like(
                "modular_addition", *form, epochs=epochs, fraction=fraction, drawn=True
            ),
            SEEDS[profile],
        )
        for fraction in LIVE
        for (head, form), epochs in zip(heads.items(), EPOCHS[profile], strict=True)
    }


@torch.no_grad()
def kinds(outcome: algo.Outcome) -> Kinds:
    """How a network for pairs answers the facts that it saw, their mirrors, and the rest.

    All facts count, tested on or not: those that were not drawn are as new as test facts.
    """
    facts = task(outcome.config.task)
    seeds = [each.seed for each in outcome.measurements]
    splits = algo.splits(outcome.config, facts, seeds)
    accuracy: dict[str, list[float]] = {}
    share: dict[str, list[float]] = {}
    for member, split in zip(outcome.members, splits, strict=True):
        right = (member(facts.x).argmax(-1) == facts.y).double()
        for kind, mask in kinds_of(facts.x, facts.x[split.train]).items():
            accuracy.setdefault(kind, []).append(float(right[mask].mean()))
            share.setdefault(kind, []).append(float(mask.double().mean()))
    columns = [{k: torch.tensor(v) for k, v in rows.items()} for rows in (accuracy, share)]
    return Kinds(*columns)


def kinds_of(x: Tensor, x_train: Tensor) -> dict[str, Tensor]:
    """Which of the pairs x (N, 2) are trained on, have their mirror trained on alone, are new."""
    tokens = int(torch.cat([x, x_train]).max()) + 1
    known = torch.zeros(tokens, tokens, dtype=torch.bool)
    known[x_train[:, 0], x_train[:, 1]] = True
    itself, mirror = known[x[:, 0], x[:, 1]], known[x[:, 1], x[:, 0]]
    return {
        "trained on": itself,
        "mirror only": mirror & ~itself,
        "new": ~mirror & ~itself,
    }


# --- the heads compared without a leak --------------------------------------------------------


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
        past = {head: runs(recorded, config) for head, config in long.items()}
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
