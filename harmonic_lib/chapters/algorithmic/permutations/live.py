"""Composition of permutations: cosets, what chance makes of them, and three heads, live.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.chapters.algorithmic.common import seeds
from harmonic_lib.chapters.algorithmic.permutations.groups import NORMAL, TASK, name_of
from harmonic_lib.chapters.algorithmic.permutations.proofs import is_normal
from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.experiments.algorithmic import Outcome, like_for_like
from harmonic_lib.markdown import table
from harmonic_lib.measure.cosets import (
    BestPartition,
    best_coset_partition,
    cosets,
    partitions,
)
from harmonic_lib.measure.symmetric_group import part_shares
from harmonic_lib.statistics.sign_test import sign_test

HEADS: dict[str, float | None] = {
    "cross-entropy": None,
    "harmonic, n = 4": 4.0,
    "harmonic, n = 2": 2.0,
}
PAIR = (684, 105)
"""Of the recorded seeds, one with which the live exponents solve the task early, and one not."""
SEEDS = {
    "smoke": PAIR,
    "quick": PAIR,
    "full": PAIR + tuple(seed for seed in algorithmic.SEEDS["full"] if seed not in PAIR),
}
EPOCHS = {
    "smoke": dict.fromkeys(HEADS, 3),
    "quick": {"cross-entropy": 150, "harmonic, n = 4": 250, "harmonic, n = 2": 345},
    "full": dict.fromkeys(HEADS, 1500),
}


def live(profile: str) -> dict[str, Outcome]:
    """The three heads, each with the seeds of the page.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, EPOCHS)
    return {
        name: algorithmic.trained(
            like_for_like(
                TASK, None if n is None else "euclidean", n, epochs=EPOCHS[profile][name]
            ),
            SEEDS[profile],
        )
        for name, n in HEADS.items()
    }


@dataclass(frozen=True)
class Known:
    """One network: what its answers to test facts get right, and what its embedding looks like.

    right: the share of answers that are right. coset: by normal subgroup, the share of
    answers that lie in the right coset of it. parts: see
    :func:`~harmonic_lib.measure.symmetric_group.part_shares`.
    """

    seed: int
    right: float
    coset: dict[str, float]
    metrics: dict[str, float]
    parts: dict[str, float]
    best: BestPartition


def known(outcome: Outcome) -> list[Known]:
    """Each member of an outcome."""
    facts, found = task(TASK), []
    seeds = [each.seed for each in outcome.measurements]
    splits = algorithmic.splits(outcome.config, facts, seeds)
    for measured, member, split in zip(outcome.measurements, outcome.members, splits, strict=True):
        with torch.no_grad():
            answer = member(facts.x[split.test]).argmax(1)
        truth, rows = facts.y[split.test], algorithmic.embedding_of(member)
        labels = {name: cosets(group, "left") for name, group in NORMAL.items()}
        found.append(
            Known(
                measured.seed,
                float((answer == truth).double().mean()),
                {k: float((c[answer] == c[truth]).double().mean()) for k, c in labels.items()},
                measured.metrics,
                part_shares(rows),
                best_coset_partition(rows, seed=0),
            )
        )
    return found


def known_table(runs: dict[str, list[Known]]) -> str:
    """What each network of the page knows, as Markdown."""
    columns = "head, seed | training facts right (%) | test facts right (%)"
    columns += " | … in the right coset of V4 (%) | … of A4 (%) | EV₂ (%)"
    columns += " | best partition | within its cosets | p"
    lines = []
    for name, members in runs.items():
        for one in members:
            shares = (one.metrics["train_accuracy"], one.right, *reversed(one.coset.values()))
            shares = (*shares, one.metrics["ev_2"])
            best = f"{name_of(one.best.subgroup)}, {one.best.side}"
            best = best if not is_normal(one.best.subgroup) else name_of(one.best.subgroup)
            cells = (f"{100 * share:.0f}" for share in shares)
            p = f"{one.best.p_value:.3f}"
            lines.append((f"{name}, seed {one.seed}", *cells, best, f"{one.best.share:.2f}", p))
    return table(columns, lines)


def stalled(runs: dict[str, list[Known]]) -> str:
    """Of the networks that are right on less than half of the test facts: who knows the coset."""
    few = [(n, k) for n, ks in runs.items() for k in ks if k.right < 0.5 and HEADS[n] is not None]
    if not few:
        return "No harmonic network of this page is below one half of the test facts"
    told = "; ".join(
        f"with {name.removeprefix('harmonic, ')} and seed {one.seed}, {100 * one.right:.0f} % of "
        f"the answers to test facts are right, {100 * one.coset['V4']:.0f} % lie in the right "
        f"coset of V4, {100 * one.coset['A4']:.0f} % have the right parity"
        for name, one in few
    )
    return told[0].upper() + told[1:]


def halfway(runs: dict[str, list[Known]]) -> str:
    """What cross-entropy's best seed by cosets of V_4 makes of them."""
    one = max(runs["cross-entropy"], key=lambda known: known.coset["V4"])
    share = f"{100 * one.coset['V4']:.0f} % of the answers lie in the right coset of V4"
    right = f"{100 * one.right:.0f} % are right"
    if one.coset["V4"] > 1 / 3:
        return f"Cross-entropy can know cosets, too: with seed {one.seed}, {share}, and {right}"
    return f"No cross-entropy seed of this page knows cosets of V4: at best {share}, and {right}"


def panels(
    outcomes: dict[str, Outcome], runs: dict[str, list[Known]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The embeddings of the first two seeds of each head, by titles, with their best cosets."""
    found = {}
    for name, outcome in outcomes.items():
        for member, one in list(zip(outcome.members, runs[name], strict=True))[:2]:
            best = one.best
            kind = name_of(best.subgroup) + (
                "" if is_normal(best.subgroup) else f", {best.side} cosets"
            )
            title = f"{name}, seed {one.seed}: {100 * one.right:.0f} % of test facts\n"
            title += f"{kind}: {100 * best.share:.0f} % within, p = {best.p_value:.3f}"
            labels = partitions()[best.subgroup, best.side]
            found[title] = (algorithmic.embedding_of(member), labels)
    return found


def released_pair(found: Sequence[Record]) -> str:
    """How often, when and how late the heads generalise in the papers' protocol, seed by seed."""
    ours, theirs = (
        seeds.runs_of(found, algorithmic.as_released(TASK, head))
        for head in ("harmonic", "cross-entropy")
    )
    if not ours or not theirs:
        return f"The papers' protocol: {seeds.NOT_YET}"
    alone = seeds.paired_counts(ours, theirs)
    (won, lost), (less, more) = (
        seeds.sooner(ours, theirs, metric) for metric in ("test_epoch_90", "gap_epoch_90")
    )
    return (
        f"{alone[0]} seeds get there with the harmonic head alone and {alone[1]} with "
        f"cross-entropy alone (McNemar's exact test: p = {alone[2]:.2g}). The harmonic head is "
        f"the first with {won} seeds and cross-entropy with {lost} (sign test: "
        f"p = {sign_test(won, lost):.2g}), where a seed that never gets there counts as late. "
        f"The delay between fitting and generalising is shorter with the harmonic head for {less} "
        f"seeds and longer for {more} (p = {sign_test(less, more):.2g})"
    )
