"""The five algorithmic tasks of Baek et al. 2025 (section 4), as released and like for like.

As released: 1,000 facts drawn with replacement, so that test facts are also trained on; the
exponent on the squared distance; dropout on while a transformer is tested, its harmonic head
alone not tied. Like for like: a split without a leak, heads that differ in the logits alone,
and larger batches and steps, with which a fifth of the epochs will do.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import Split, Task, clean_split, released_split, stack_splits, task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.heads import harmonic
from harmonic_lib.measure.cosets import best_coset_partition
from harmonic_lib.measure.embedding import components_for, effective_rank, explained_variance
from harmonic_lib.measure.flops import training_flops
from harmonic_lib.measure.grokking import seen_and_unseen, stays_above
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error
from harmonic_lib.measure.rings import ring_frequencies, ring_score
from harmonic_lib.measure.scatter import within_variance_share
from harmonic_lib.models.tied import LinearHead, ReleasedHead
from harmonic_lib.models.tokens import TokenMLP, TokenTransformer
from harmonic_lib.training import History, train

NAME = "algorithmic"
WIDTH = 16
"""D, of every embedding."""
FACTS = 1000
"""How many facts the released protocol draws."""


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome but the seed.

    distance: None for cross-entropy. exponent: on the distance. released: the heads and the
    test of the papers' code. drawn: train and test facts are drawn with replacement, and leak.
    fraction: of the facts, or of the draws, to train on.
    """

    task: str
    model: str
    distance: str | None
    exponent: float | None
    released: bool
    drawn: bool
    fraction: float
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float

    @property
    def head(self) -> str:
        return "cross-entropy" if self.distance is None else "harmonic"


@dataclass(frozen=True)
class Outcome:
    """The networks of one configuration, one per seed: their training and what was measured."""

    config: Config
    members: list[nn.Module]
    history: History
    measurements: list[Measurement]


NAMES = ("parallelogram", "modular_addition", "equivalence", "genealogy", "permutation")
HEADS: dict[str, tuple[str | None, float | None]] = {
    "cross-entropy": (None, None),
    "harmonic": ("euclidean", 2.0),
}
#: the 20 seeds of the released runs
SEEDS = {
    "smoke": (0, 52),
    "quick": (0, 52, 105, 157, 210),
    "full": tuple(1000 * k // 19 for k in range(20)),
}
#: the share of the facts that the released split trains on, once repetitions are counted
CLEAN = {
    "parallelogram": 0.11,
    "modular_addition": 0.57,
    "equivalence": 0.39,
    "genealogy": 0.88,
    "permutation": 0.8,
}
CASES = {
    "case-study-cross-entropy": ("cross-entropy", 0.0),
    "case-study-cross-entropy-decay": ("cross-entropy", 0.5),
    "case-study-harmonic": ("harmonic", 0.0),
}
EPOCHS = {"smoke": 3, "quick": 300, "full": 1500}
#: learnt within 30 epochs, and to test on 6,430 facts after each is most of the work
SOON = {"parallelogram": 300}
EXPONENTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def as_released(name: str, head: str, model: str = "mlp", fraction: float = 0.8) -> Config:
    """The papers' protocol for a task, with either head.

    Raises:
        ValueError: an unknown task, head or model.
    """
    check_name("task", name, NAMES)
    check_name("head", head, HEADS)
    check_name("model", model, MODELS)
    long = model == "transformer" and name == "permutation"
    table = "genealogy_as_released" if name == "genealogy" else name
    decay = 0.01 if model == "mlp" else 0.005
    return Config(
        table, model, *HEADS[head], True, True, fraction, 10_000 if long else 7000, 32, 2e-3, decay
    )


def like_for_like(
    name: str,
    distance: str | None,
    exponent: float | None = None,
    *,
    model: str = "mlp",
    epochs: int = EPOCHS["full"],
    fraction: float | None = None,
    drawn: bool = False,
) -> Config:
    """Our protocol: every fact once, heads tied and without a bias, nothing else different.

    ``drawn`` keeps the released draws, with their leak, to compare the two kinds of test facts.

    Raises:
        ValueError: an unknown task, distance or model.
    """
    check_name("task", name, NAMES)
    check_name("model", model, MODELS)
    if distance is not None:
        check_name("distance", distance, hl.DISTANCES)
    share = CLEAN[name] if fraction is None else fraction
    epochs = min(epochs, SOON.get(name, epochs))
    return Config(name, model, distance, exponent, False, drawn, share, epochs, 128, 5e-3, 0.01)


def case_study(name: str) -> Config:
    """One of the three runs of the case study on modular addition (figure 4 of the paper).

    Raises:
        ValueError: no case has that name.
    """
    check_name("case", name, CASES)
    head, decay = CASES[name]
    base = as_released("modular_addition", head)
    return replace(base, epochs=2000, lr=1e-3, weight_decay=decay)


def configs(profile: str) -> list[Config]:
    """What a profile runs, in order of interest, without duplicates.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SEEDS)
    epochs = EPOCHS[profile]
    ladder = [like_for_like("modular_addition", None, epochs=epochs)]
    ladder += [like_for_like("modular_addition", "euclidean", n, epochs=epochs) for n in EXPONENTS]
    pairs = [
        like_for_like(name, distance, n, epochs=epochs)
        for name in NAMES
        for distance, n in HEADS.values()
    ]
    if profile != "full":
        return list(dict.fromkeys(ladder + pairs))
    sharper = [like_for_like(name, "euclidean", math.sqrt(WIDTH)) for name in NAMES]
    sharper += [like_for_like("permutation", "euclidean", n) for n in EXPONENTS[3:5]]
    cases = [case_study(name) for name in CASES]
    released = [as_released(name, head) for name in NAMES for head in HEADS]
    efficiency = [
        like_for_like(name, distance, n, fraction=fraction, drawn=True)
        for name in NAMES
        for fraction in FRACTIONS
        for distance, n in HEADS.values()
    ]
    nine = [
        like_for_like("modular_addition", distance, n)
        for distance in hl.DISTANCES
        for n in EXPONENTS[:5]
    ]
    transformers = [as_released(name, head, "transformer") for name in NAMES for head in HEADS]
    transformers += [
        like_for_like(name, distance, n, model="transformer")
        for name in NAMES
        for distance, n in HEADS.values()
    ]
    every = ladder + pairs + sharper + cases + released + nine + efficiency + transformers
    return list(dict.fromkeys(every))


def claim_of(config: Config) -> str:
    """The reported runs that this configuration repeats, or ""."""
    return claims().get(config, "")


@cache
def claims() -> dict[Config, str]:
    """Every configuration that somebody reported, with its name in ``data/reported``."""
    known = {case_study(name): name for name in CASES}
    for name in NAMES:
        for model in MODELS:
            for head in HEADS:
                claim = f"{name.replace('_', '-')}-{model}-{head}"
                known[as_released(name, head, model)] = claim
    return known


def run(
    config: Config,
    seeds: Sequence[int],
    root: Path | None = None,
    checkpoint: Path | None = None,
) -> list[Measurement]:
    """Train a configuration with each of the seeds, together; ``root`` is not used."""
    return trained(config, tuple(seeds), checkpoint=checkpoint).measurements


def splits(config: Config, facts: Task, seeds: Sequence[int]) -> list[Split]:
    """The split of each seed."""
    if config.drawn:
        return [released_split(facts, FACTS, config.fraction, seed) for seed in seeds]
    size = round(config.fraction * len(facts.y))
    return [clean_split(len(facts.y), size, seed) for seed in seeds]


def trained(
    config: Config,
    seeds: Sequence[int],
    watch: Callable[[Ensemble], Mapping[str, Tensor]] | None = None,
    checkpoint: Path | None = None,
) -> Outcome:
    """Train one network a seed, all of them as one computation, and measure each.

    Initial weights, the order of the data and the split of member s come from ``seeds[s]``.
    ``watch`` sees the ensemble after each epoch, besides its accuracies.
    """
    facts = task(config.task)
    train_rows, test_rows = stack_splits(splits(config, facts, seeds))
    members = [build(config, facts, seed) for seed in seeds]
    ensemble = Ensemble(members)
    both = torch.cat([train_rows, test_rows], 1)
    x, y, cut = facts.x[both], facts.y[both], train_rows.shape[1]

    def accuracies(ensemble: Ensemble) -> Mapping[str, Tensor]:
        hits = (answers(ensemble, config, x) == y).float()
        parts = {"train_accuracy": hits[:, :cut], "test_accuracy": hits[:, cut:]}
        own = watch(ensemble) if watch is not None else {}
        return {name: part.mean(1) for name, part in parts.items()} | dict(own)

    torch.manual_seed(seeds[0])  # for dropout
    history = train(
        ensemble,
        seeds,
        x[:, :cut],
        y[:, :cut],
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        weight_decay=config.weight_decay,
        penalty=spread if config.released and config.model == "transformer" else None,
        watch=accuracies,
        checkpoint=checkpoint,
    )
    duration = round(float(history["seconds"][:, 0].double().sum()) / len(seeds), 3)
    ensemble.cpu().eval().write_back(members)
    with torch.no_grad():
        test_hits = answers(ensemble, config, x[:, cut:]) == y[:, cut:]
    flops = training_flops(members[0], x[0, :cut], y[0, :cut], config.epochs)
    measurements = [
        Measurement(
            seed=seed,
            metrics=measured(facts, embedding_of(member))
            | learning(history, s)
            | leak(test_hits[s], x[s, cut:], x[s, :cut]),
            data={"facts": digest(facts)},
            duration_s=duration,
            flops=flops,
        )
        for s, (seed, member) in enumerate(zip(seeds, members, strict=True))
    ]
    return Outcome(config, members, history, measurements)


def answers(ensemble: Ensemble, config: Config, x: Tensor) -> Tensor:
    """The members' answers, (S, N), on the CPU: the token of the largest logit.

    As released, a transformer is tested with its dropout on.
    """
    ensemble.train(config.released and config.model == "transformer")
    logits: Tensor = ensemble(x.to(ensemble["embedding.weight"].device))
    ensemble.eval()
    return logits.argmax(-1).cpu()


def build(config: Config, facts: Task, seed: int) -> nn.Module:
    """A network whose initial weights, and nothing else, come from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[config.model](config, facts)


def mlp(config: Config, facts: Task) -> nn.Module:
    """The embedding is drawn as a linear layer's weight is: uniform within 1/sqrt(D)."""
    embedding = nn.Embedding(facts.vocab, WIDTH)
    nn.init.uniform_(embedding.weight, -(WIDTH**-0.5), WIDTH**-0.5)
    head = head_upon(config, embedding.get_parameter("weight"), bias=config.released)
    return TokenMLP(embedding, head, facts.x.shape[1])


def transformer(config: Config, facts: Task) -> nn.Module:
    """As released, the harmonic head has a weight of its own; else it shares the embedding's."""
    embedding = nn.Embedding(facts.vocab, WIDTH)
    nn.init.normal_(embedding.weight, std=WIDTH**-0.5)
    weight = embedding.get_parameter("weight")
    if config.released and config.distance is not None:
        weight = nn.Parameter(torch.empty_like(weight).uniform_(-(WIDTH**-0.5), WIDTH**-0.5))
    return TokenTransformer(embedding, head_upon(config, weight, bias=False), facts.x.shape[1])


def head_upon(config: Config, weight: nn.Parameter, bias: bool) -> nn.Module:
    """The head of a configuration upon a weight."""
    if config.distance is None:
        return LinearHead(weight, bias)
    if config.released:
        return ReleasedHead(weight)
    return harmonic(WIDTH, len(weight), config.distance, config.exponent, weight=weight)


MODELS: dict[str, Callable[[Config, Task], nn.Module]] = {"mlp": mlp, "transformer": transformer}


def spread(ensemble: Ensemble) -> Tensor:
    """The released regulariser, (S,): 0.01 of the embedding's root mean square, by dimension.

    In the released MLPs it is computed apart from the graph, and so does nothing there.
    """
    return 0.01 * ensemble["embedding.weight"].square().mean(1).sqrt().mean(-1)


def embedding_of(member: nn.Module) -> Tensor:
    """The (V, D) table of a trained network."""
    return member.get_parameter("embedding.weight").detach()


def measured(facts: Task, table: Tensor) -> dict[str, float]:
    """The geometry of an embedding (V, D): of the tokens that the task orders."""
    shown = table[facts.shown]
    shares = explained_variance(shown)
    own: dict[str, float] = {}
    if facts.name == "modular_addition":
        own = {"ring_score": ring_score(shown), "ring_frequencies": ring_frequencies(shown)}
    elif facts.name == "parallelogram":
        own = {"parallelogram_error": parallelogram_error(shown, grid_quads())}
    elif facts.name == "equivalence":
        whole = explained_variance(table)
        own = {f"ev_{k}_all_tokens": float(whole[k - 1]) for k in range(1, 11)}
        own |= {"within_variance_share": within_variance_share(shown, facts.shown % 5)}
    elif facts.name == "permutation":
        best = best_coset_partition(shown, seed=0)
        own = {
            "coset_order": float(len(best.subgroup)),
            "coset_within_variance_share": best.share,
            "coset_p_value": best.p_value,
        }
    return {
        **{f"ev_{k}": float(shares[k - 1]) for k in range(1, 11)},
        "ev_2_at_least_0.95": float(shares[1] >= 0.95),
        "components_90": float(components_for(shown)),
        "effective_rank": effective_rank(shown),
        **own,
    }


def learning(history: History, member: int) -> dict[str, float]:
    """How a member learnt: its last loss and accuracies, and when it held 0.9 for 20 epochs."""
    train_accuracy = history["train_accuracy"][:, member]
    test_accuracy = history["test_accuracy"][:, member]
    fitted, general = float(stays_above(train_accuracy)), float(stays_above(test_accuracy))
    return {
        "train_loss": float(history["loss"][-1, member]),
        "train_accuracy": float(train_accuracy[-1]),
        "test_accuracy": float(test_accuracy[-1]),
        "train_epoch_90": fitted,
        "test_epoch_90": general,
        "gap_epoch_90": general - fitted,
    }


def leak(hits: Tensor, x_test: Tensor, x_train: Tensor) -> dict[str, float]:
    """Accuracy on test facts that were trained on, on the others, and the share of the first."""
    found = seen_and_unseen(hits, x_test, x_train)
    return {
        "seen_accuracy": float(found.seen),
        "unseen_accuracy": float(found.unseen),
        "seen_share": found.share,
    }


def digest(facts: Task) -> str:
    """SHA-256 of the table of facts."""
    return hashlib.sha256(facts.x.numpy().tobytes() + facts.y.numpy().tobytes()).hexdigest()
