"""The five algorithmic tasks by their recorded seeds: reported beside ours, and like for like.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import stack_splits, task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.evidence.record import Record
from harmonic_lib.evidence.reported import Reported, reported
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import (
    HEADS,
    NAMES,
    Config,
    as_released,
    claim_of,
    like_for_like,
)
from harmonic_lib.experiments.by_seed import (
    NOT_YET,
    column,
    epoch_text,
    late,
    middle,
    runs,
    spread,
    spread_of_counts,
)
from harmonic_lib.markdown import table
from harmonic_lib.measure.embedding import explained_variance
from harmonic_lib.training import History, train
from harmonic_lib.verdicts import NAMES as VERDICTS
from harmonic_lib.verdicts import counts, verdicts

#: profile -> epochs of cross-entropy and of the harmonic head on shuffled answers
SHUFFLED = {"smoke": (3, 3), "quick": (150, 300), "full": (1500, 1500)}
OWN = {
    "parallelogram": ("parallelogram_error", "parallelogram error"),
    "modular_addition": ("ring_score", "ring score"),
    "equivalence": ("within_variance_share", "variance within classes"),
    "genealogy": ("components_90", "axes for 90 %"),
    "permutation": ("coset_within_variance_share", "variance within best cosets"),
}
"""By task, the metric that is its own, and its title."""


# --- configurations -------------------------------------------------------------------------


def cumulative(found: Sequence[Record], name: str) -> dict[str, Tensor]:
    """EV_1 to EV_10 of a task in the papers' protocol, by head, (S, 10) each."""
    by_head = {head: runs(found, as_released(name, head)) for head in HEADS}
    return {
        head: torch.stack([column(own, f"ev_{k}") for k in range(1, 11)], 1)
        for head, own in by_head.items()
        if own
    }


def clean(name: str) -> dict[str, Config]:
    """The like-for-like networks of a task, by their heads' names: cross-entropy first."""
    every = [
        config
        for config in algorithmic.configs("full")
        if config.task == name
        and config.distance in (None, "euclidean")
        and config == like_for_like(name, config.distance, config.exponent)
    ]
    return {head_name(c): c for c in sorted(every, key=lambda config: config.exponent or 0)}


def head_name(config: Config) -> str:
    """The head of a Euclidean or a plain configuration, with its exponent."""
    if config.exponent is None:
        return config.head
    return f"{config.head}, n = {config.exponent:g}"


def reported_ev(name: str, head: str, model: str = "mlp") -> dict[str, float]:
    """EV_2 of the 20 seeds as reported, as shares: "median", "min" and "max"."""
    claim = claim_of(as_released(name, head, model))
    return {
        row.statistic: row.share
        for row in reported(algorithmic.NAME)
        if row.claim == claim and row.metric == "ev_2" and row.statistic != "run"
    }


# --- tables ---------------------------------------------------------------------------------


def clean_table(found: Sequence[Record], name: str) -> str:
    """The like-for-like rows of a task as Markdown, medians over seeds (least to most)."""
    metric, title = OWN[name]
    columns = "head | seeds | got there | 90 % on training facts | 90 % on test facts"
    columns += f" | test accuracy (%) | EV₂ (%) | {title}"
    lines = []
    for label, config in clean(name).items():
        own = runs(found, config)
        if not own:
            lines.append([label, NOT_YET, *[""] * 6])
            continue
        seeds = column(own, metric)
        fitted, general = (column(own, f"{part}_epoch_90") for part in ("train", "test"))
        lines.append(
            [
                label,
                f"{len(own)}",
                f"{int((~general.isnan()).sum())}",
                epoch_text(middle(late(fitted))),
                epoch_text(middle(late(general))),
                spread(100 * column(own, "test_accuracy"), 1),
                spread(100 * column(own, "ev_2"), 1),
                spread_of_counts(seeds) if metric == "components_90" else spread(seeds, 2),
            ]
        )
    return table(columns, lines)


def released_table(found: Sequence[Record], name: str) -> str:
    """The papers' protocol on a task as Markdown: each head reported, and ours below it."""
    columns = "MLP | seeds | EV₂ (%) | got there | 90 % on training facts | 90 % on test facts"
    columns += " | test accuracy (%) | on seen facts | on unseen facts"
    lines = []
    for label in HEADS:
        config = as_released(name, label)
        rows = {
            (row.metric, row.statistic): row
            for row in reported(algorithmic.NAME)
            if row.claim == claim_of(config)
        }
        lines += [reported_line(label, rows), our_line(runs(found, config))]
    return table(columns, lines)


def reported_line(label: str, rows: dict[tuple[str, str], Reported]) -> list[str]:
    """The cells of what is reported of a head; a dash where nothing is."""

    def said(metric: str, statistic: str) -> str:
        row = rows.get((metric, statistic))
        return f"{row.value:g}" if row else "–"

    extremes = f"{said('ev_2', 'min')} to {said('ev_2', 'max')}"
    epochs = [said(f"{part}_epoch_90", "median") for part in ("train", "test")]
    seeds = max((row.runs for row in rows.values()), default=0)
    return [
        f"{label}, reported",
        f"{seeds}",
        f"{said('ev_2', 'median')} ({extremes})",
        said("test_epoch_90", "count"),
        *epochs,
        *["–"] * 3,
    ]


def our_line(own: Sequence[Record]) -> list[str]:
    """The cells of our seeds of the same; a seed that never got there is late in a median."""
    if not own:
        return ["ours", NOT_YET, *[""] * 7]
    fitted, general = (column(own, f"{part}_epoch_90") for part in ("train", "test"))
    kinds = [100 * column(own, f"{kind}_accuracy") for kind in ("test", "seen", "unseen")]
    return [
        "ours",
        f"{len(own)}",
        spread(100 * column(own, "ev_2"), 1),
        f"{int((~general.isnan()).sum())}",
        epoch_text(middle(late(fitted))),
        epoch_text(middle(late(general))),
        *["–" if kind.isnan().any() else spread(kind, 1) for kind in kinds],
    ]


# --- what an explained variance is worth -----------------------------------------------------


def untrained(name: str, seeds: int = 200) -> Tensor:
    """EV_2 of as many untrained embeddings of a task, of the tokens that it orders, (S,)."""
    facts = task(name)
    found = [
        explained_variance(algorithmic.embedding_of(network)[facts.shown])[1]
        for network in (
            algorithmic.build(like_for_like(name, None), facts, seed) for seed in range(seeds)
        )
    ]
    return torch.stack(found)


def in_any_order(answers: Tensor, seed: int) -> Tensor:
    """The same answers, each of another fact."""
    return answers[torch.randperm(len(answers), generator=torch.Generator().manual_seed(seed))]


def shuffled(profile: str) -> dict[str, History]:
    """Both heads on modular addition with its answers shuffled: nothing to find but the facts.

    Of each seed, "train_accuracy" and "ev_2" after each epoch, by head.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SHUFFLED)
    facts, seeds = task("modular_addition"), algorithmic.SEEDS["quick"][:3]
    answers = torch.stack([in_any_order(facts.y, seed) for seed in seeds])
    found = {}
    for (head, (distance, exponent)), epochs in zip(HEADS.items(), SHUFFLED[profile], strict=True):
        config = like_for_like(facts.name, distance, exponent)
        rows, _ = stack_splits(algorithmic.splits(config, facts, seeds))
        x, y = facts.x[rows], answers.gather(1, rows)

        def watch(
            ensemble: Ensemble, config: Config = config, x: Tensor = x, y: Tensor = y
        ) -> dict[str, Tensor]:
            tables = ensemble["embedding.weight"]
            answered = algorithmic.answers(ensemble, config, x)
            return {
                "train_accuracy": (answered == y).float().mean(1),
                "ev_2": torch.stack([explained_variance(table)[1] for table in tables]),
            }

        found[head] = train(
            Ensemble([algorithmic.build(config, facts, seed) for seed in seeds]),
            seeds,
            x,
            y,
            epochs=epochs,
            batch_size=config.batch_size,
            lr=config.lr,
            weight_decay=config.weight_decay,
            watch=watch,
        )
    return found


# --- verdicts, and what the runs took ---------------------------------------------------------


def verdict_table(found: Sequence[Record], model: str) -> str:
    """How many of a model's reported numbers have which verdict, by task and head, in Markdown.

    The papers' protocol at a train fraction of 0.8 alone.
    """
    every = verdicts(reported(algorithmic.NAME), found)
    rows = []
    for name in NAMES:
        for head in HEADS:
            config = as_released(name, head, model)
            own = counts(each for each in every if each.row.claim == claim_of(config))
            seeds = len(runs(found, config))
            rows.append((f"{name.replace('_', ' ')}, {head}", seeds, *own.values()))
    return table(" | ".join([f"{model}: task, head", "our seeds", *VERDICTS]), rows)


def hours(found: Sequence[Record]) -> dict[str, float]:
    """Hours of one core that the recorded runs took, in the papers' protocol, by head."""
    every = {
        head: [record for name in NAMES for record in runs(found, as_released(name, head))]
        for head in HEADS
    }
    return {head: sum(r.duration_s for r in own) / 3600 for head, own in every.items()}
