"""The five algorithmic tasks of Baek et al. 2025 (section 4), as released and like for like.

As released: 1,000 facts drawn with replacement, so that test facts are also trained on; the
exponent on the squared distance; dropout on while a transformer is tested, its harmonic head
alone not tied. Like for like: a split without a leak, heads that differ in the logits alone,
and larger batches and steps, with which a fifth of the epochs will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from harmonic_lib.data.tasks import Split, Task, clean_split, released_split, stack_splits, task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.experiments.algorithmic.metrics import digest, leak, learning, measured
from harmonic_lib.experiments.algorithmic.networks import build, embedding_of
from harmonic_lib.experiments.algorithmic.protocols import FACTS, Config
from harmonic_lib.measure.flops import training_flops
from harmonic_lib.training import History, train


@dataclass(frozen=True)
class Outcome:
    """The networks of one configuration, one per seed: their training and what was measured."""

    config: Config
    members: list[nn.Module]
    history: History
    measurements: list[Measurement]


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


def spread(ensemble: Ensemble) -> Tensor:
    """The released regulariser, (S,): 0.01 of the embedding's root mean square, by dimension.

    In the released MLPs it is computed apart from the graph, and so does nothing there.
    """
    return 0.01 * ensemble["embedding.weight"].square().mean(1).sqrt().mean(-1)
