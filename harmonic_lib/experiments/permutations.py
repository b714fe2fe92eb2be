"""Composition of permutations: cosets, what chance makes of them, and three heads, live.

The configurations are those of :mod:`harmonic_lib.experiments.algorithmic`, like for like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.checks import check_name
from harmonic_lib.data.tasks import task
from harmonic_lib.evidence import reported
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic, by_seed, five_tasks
from harmonic_lib.experiments.algorithmic import Outcome, like_for_like
from harmonic_lib.experiments.by_seed import Rung, holds
from harmonic_lib.markdown import table
from harmonic_lib.measure.cosets import (
    PERMUTATIONS,
    PRODUCT,
    BestPartition,
    Subgroup,
    best_coset_partition,
    cosets,
    partitions,
    subgroups,
)
from harmonic_lib.measure.embedding import centred, explained_variance
from harmonic_lib.measure.scatter import as_classes
from harmonic_lib.measure.sign_test import sign_test
from harmonic_lib.measure.symmetric_group import ALTERNATING, KLEIN, part_shares
from harmonic_lib.propositions.permutations import is_normal

TASK = "permutation"
WORDS = tuple("".join(str(i + 1) for i in g) for g in PERMUTATIONS)
"""The permutations as they are written: 2134 takes 1 to 2, 2 to 1, 3 to 3 and 4 to 4."""
LAST: Subgroup = tuple(g for g in range(24) if PERMUTATIONS[g][3] == 3)
"""The six permutations that leave the last of the four things where it is."""
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
TABLES = {"smoke": 40, "quick": 400, "full": 2000}
"""How many random tables chance is given."""
DRAWS = 199
NORMAL = {"A4": ALTERNATING, "V4": KLEIN}


# --- subgroups --------------------------------------------------------------------------------


def order_of(g: int) -> int:
    """How often g must be applied until all is back in place."""
    power, order = g, 1
    while power:
        power, order = PRODUCT[power][g], order + 1
    return order


def name_of(group: Subgroup) -> str:
    """What a subgroup of S_4 is called, up to conjugation."""
    longest = max(order_of(g) for g in group)
    if len(group) == 2:
        return "two, in V4" if set(group) <= set(KLEIN) else "two, a swap"
    if len(group) == 4 and longest == 2:
        return "V4" if group == KLEIN else "two swaps"
    names = {1: "identity", 3: "C3", 4: "C4", 6: "S3", 8: "D4", 12: "A4", 24: "S4"}
    return names[len(group)]


def subgroup_table() -> str:
    """The 30 subgroups by name, as Markdown: order, how many, cosets, whether they are normal."""
    names: dict[str, list[Subgroup]] = {}
    for group in subgroups():
        names.setdefault(name_of(group), []).append(group)
    lines = []
    for name, same in names.items():
        size, normal = len(same[0]), all(map(is_normal, same))
        sides = 0 if size in (1, 24) else len(same) * (1 if normal else 2)
        example = " ".join(WORDS[g] for g in same[0][:6]) + (" …" if size > 6 else "")
        lines.append((name, size, len(same), 24 // size, "yes" if normal else "no", sides, example))
    columns = "name | elements | how many | cosets | normal | partitions | the first of them"
    return table(columns, lines)


def overlapping(subset: Sequence[int]) -> tuple[int, int]:
    """How many different sets g∘A a set A has, and in how many of them each element is, at most."""
    sets = {frozenset(PRODUCT[g][a] for a in subset) for g in range(24)}
    return len(sets), max(sum(g in one for one in sets) for g in range(24))


# --- chance -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chance:
    """What T random tables come to, (T,) each.

    one, best: the silhouette in the plane of one partition, and the largest of all. alone,
    paid: the p-value of the partition chosen, as if it were the only one, and of the choice.
    """

    one: Tensor
    best: Tensor
    alone: Tensor
    paid: Tensor


def random_tables(count: int, seed: int) -> Tensor:
    """(count, 24, D) independent normal numbers, as wide as the embeddings."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 24, algorithmic.WIDTH, generator=generator)


def silhouettes(tables: Tensor) -> Tensor:
    r"""The silhouette of each of the 56 partitions in the first two principal axes, (T, 56).

    The mean over all rows of (b - a) / max(a, b), with the mean distance a to the other rows
    of the own coset and the least mean distance b to the rows of another (Rousseeuw 1987).
    The released code chooses the colours of its pictures by it. tables: (T, 24, D).
    """
    rows = tables.double() - tables.double().mean(1, keepdim=True)
    left, lengths, _ = torch.linalg.svd(rows, full_matrices=False)
    plane = left[:, :, :2] * lengths[:, None, :2]
    gaps = torch.cdist(plane, plane, compute_mode="donot_use_mm_for_euclid_dist")
    found = []
    for labels in partitions().values():
        member = torch.nn.functional.one_hot(labels).double()
        size = member.sum(0)
        total = gaps @ member
        own = (total * member).sum(2) / (size[0] - 1)
        other = (total / size).masked_fill(member.bool(), torch.inf).amin(2)
        found.append(((other - own) / torch.maximum(own, other)).mean(1))
    return torch.stack(found, 1)


def best_by_eye(rows: Tensor) -> tuple[Tensor, float]:
    """The (24,) cosets of the largest of the 56 silhouettes of a (24, D) table, and it."""
    score, place = silhouettes(rows.unsqueeze(0))[0].max(0)
    return list(partitions().values())[int(place)], float(score)


def p_alone(rows: Tensor, labels: Tensor, seed: int, draws: int = DRAWS) -> float:
    """The permutation test of one partition alone: no choice is paid for.

    (1 + m) / (1 + draws), where m of ``draws`` random orders of the rows leave no larger share
    of variance within the classes.
    """
    member = as_classes(rows, labels)
    between = (member / member.sum(0)) @ member.T
    inner = centred(rows) @ centred(rows).T
    generator = torch.Generator().manual_seed(seed)
    orders = torch.rand(draws, 24, generator=generator).argsort(1)
    shuffled = inner[orders.unsqueeze(2), orders.unsqueeze(1)]
    explained = (shuffled * between).sum((1, 2))
    reached = (inner * between).sum() * (1 - 1e-12)
    return (1 + int((explained >= reached).sum())) / (1 + draws)


def chance(profile: str, seed: int) -> Chance:
    """Silhouettes and p-values of random tables; for the p-values half of them will do.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, TABLES)
    tables = random_tables(TABLES[profile], seed)
    every = silhouettes(tables)
    alone, paid = [], []
    for k, rows in enumerate(tables[: len(tables) // 2]):
        best = best_coset_partition(rows, k, DRAWS)
        labels = partitions()[best.subgroup, best.side]
        alone.append(p_alone(rows, labels, k))
        paid.append(best.p_value)
    one = every[:, list(partitions()).index((KLEIN, "left"))]
    return Chance(one, every.amax(1), torch.tensor(alone), torch.tensor(paid))


# --- live -------------------------------------------------------------------------------------


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


# --- from the records -------------------------------------------------------------------------


def rungs(found: Sequence[Record]) -> list[Rung]:
    """Those like-for-like exponents that are recorded, and cross-entropy, in order."""
    configs = five_tasks.clean(TASK).values()
    every = [Rung(c.exponent, own) for c in configs if (own := by_seed.runs(found, c))]
    return sorted(every, key=lambda rung: rung.exponent or math.inf)


def coset_table(found: Sequence[Record]) -> str:
    """Like for like, the best coset partition of each seed, as Markdown."""
    columns = "head | seeds | order 2 | 3 | 4 | 6 | 8 | 12 | p at most 0.05"
    columns += " | … of the solved | within (solved) | within (not solved)"
    lines = []
    for label, config in five_tasks.clean(TASK).items():
        own = by_seed.runs(found, config)
        if not own:
            lines.append([label, by_seed.NOT_YET, *[""] * 10])
            continue
        order, share, p, accuracy = (
            by_seed.column(own, name)
            for name in (
                "coset_order",
                "coset_within_variance_share",
                "coset_p_value",
                "test_accuracy",
            )
        )
        solved = accuracy > 0.9
        counts = [f"{int((order == size).sum())}" for size in (2, 3, 4, 6, 8, 12)]
        within = (middle(share[solved]), middle(share[~solved]))
        low = p <= 0.05
        few = f"{int((low & solved).sum())} of {int(solved.sum())}"
        lines.append([label, f"{len(own)}", *counts, f"{int(low.sum())}", few, *within])
    return table(columns, lines)


def middle(seeds: Tensor) -> str:
    """A median, or a dash of none."""
    return f"{by_seed.middle(seeds):.2f}" if len(seeds) else "–"


def spectrum_table(found: Sequence[Record]) -> str:
    """EV_k in per cent: reported medians, ours, random tables and the perfect crystal."""
    shown = (1, 2, 3, 4, 6, 8, 10)
    rows: dict[str, list[float] | None] = {}
    medians = {
        (row.claim, row.metric): row.share
        for row in reported(algorithmic.NAME)
        if row.statistic == "median" and row.claim.startswith("permutation-mlp")
    }
    for head in algorithmic.HEADS:
        claim = f"permutation-mlp-{head}"
        rows[f"{head}, reported"] = [medians[claim, f"ev_{k}"] for k in shown]
    theirs = {
        f"{head}, papers' protocol": algorithmic.as_released(TASK, head)
        for head in algorithmic.HEADS
    }
    ours = {f"{name}, like for like": config for name, config in five_tasks.clean(TASK).items()}
    for name, config in (theirs | ours).items():
        own = by_seed.runs(found, config)
        middles = (by_seed.middle(by_seed.column(own, f"ev_{k}")) for k in shown if own)
        rows[f"{name} ({len(own)} seeds)" if own else name] = list(middles) or None
    chance = torch.stack([explained_variance(rows) for rows in random_tables(50, 0)]).mean(0)
    rows["random numbers"] = [float(chance[k - 1]) for k in shown]
    rows["rotations of a cube"] = [min(k / 9, 1.0) for k in shown]
    lines = [
        (name, *(f"{100 * share:.0f}" for share in shares))
        if shares
        else (name, by_seed.NOT_YET, *[""] * (len(shown) - 1))
        for name, shares in rows.items()
    ]
    return table("EV_k (%), medians | " + " | ".join(f"k = {k}" for k in shown), lines)


def lessons(found: Sequence[Record]) -> list[tuple[str, str]]:
    """What is said of the heads, and whether the recorded seeds bear it out, with numbers."""
    by_n = {c.exponent: by_seed.runs(found, c) for c in five_tasks.clean(TASK).values()}
    if not all(by_n.get(n) for n in (None, 2.0, 4.0)):
        return [("cross-entropy, n = 2 and n = 4", by_seed.NOT_YET)]

    def of(n: float | None, metric: str) -> Tensor:
        return by_seed.column(by_n[n], metric)

    solved = {n: ~of(n, "test_epoch_90").isnan() for n, own in by_n.items() if own}
    counts = {n: int(who.sum()) for n, who in solved.items()}
    names = {n: "cross-entropy" if n is None else f"n = {n:g}" for n in counts}
    told = ", ".join(f"{names[n]}: {c} of {len(by_n[n])}" for n, c in counts.items())
    low = {n: int((of(n, "coset_p_value") <= 0.05).sum()) for n in counts}
    within = of(2.0, "coset_within_variance_share")
    tight = [within[who] for who in (~solved[2.0], solved[2.0])]
    best = float(of(None, "test_accuracy").max())
    shares = [middle(seeds) for seeds in tight]
    most = max(counts, key=lambda n: (counts[n], -(n or 0)))
    tried = [n for n in counts if n is not None]
    gaps = {n: of(n, "test_epoch_90") - of(n, "train_epoch_90") for n in counts if n and counts[n]}
    delays = {n: by_seed.middle(gap[~gap.isnan()]) for n, gap in gaps.items()}
    by_n_delay = ", ".join(f"{delay:g} at n = {n:g}" for n, delay in delays.items())
    grows = [delay for n, delay in delays.items() if n >= 4]
    return [
        (
            "an exponent of 4 or 8, with others tried below and above, solves it most often (90 % "
            f"of test facts, held for 20 epochs: {told})",
            holds(most in (4.0, 8.0) and min(tried) < most < max(tried)),
        ),
        (
            "the delay of the seeds that do grows from n = 4 on (median number of epochs between "
            f"90 % of the training and of the test facts: {by_n_delay})",
            holds(len(grows) > 1 and grows == sorted(set(grows))),
        ),
        (
            "with n = 2 the seeds that do not solve it have the tighter cosets "
            f"(median share within: {shares[0]}, of the others {shares[1]})",
            holds(all(map(len, tight)) and by_seed.middle(tight[0]) < by_seed.middle(tight[1])),
        ),
        (
            f"cross-entropy has cosets with p at most 0.05 with {low[None]} of {len(by_n[None])} "
            f"seeds, and solves with {counts[None]} (the best is right on {100 * best:.0f} %)",
            holds(low[None] > counts[None]),
        ),
    ]


def released_pair(found: Sequence[Record]) -> str:
    """How often, when and how late the heads generalise in the papers' protocol, seed by seed."""
    ours, theirs = (
        by_seed.runs(found, algorithmic.as_released(TASK, head))
        for head in ("harmonic", "cross-entropy")
    )
    if not ours or not theirs:
        return f"The papers' protocol: {by_seed.NOT_YET}"
    alone = by_seed.paired_counts(ours, theirs)
    (won, lost), (less, more) = (
        sooner(ours, theirs, metric) for metric in ("test_epoch_90", "gap_epoch_90")
    )
    return (
        f"{alone[0]} seeds get there with the harmonic head alone and {alone[1]} with "
        f"cross-entropy alone (McNemar's exact test: p = {alone[2]:.2g}). The harmonic head is "
        f"the first with {won} seeds and cross-entropy with {lost} (sign test: "
        f"p = {sign_test(won, lost):.2g}), where a seed that never gets there counts as late. "
        f"The delay between fitting and generalising is shorter with the harmonic head for {less} "
        f"seeds and longer for {more} (p = {sign_test(less, more):.2g})"
    )


def sooner(ours: Sequence[Record], theirs: Sequence[Record], metric: str) -> tuple[int, int]:
    """The common seeds for which ours is the smaller number, and the larger; NaN is infinite."""
    first, second = (
        {
            r.seed: late
            for r, late in zip(
                each, by_seed.late(by_seed.column(each, metric)).tolist(), strict=True
            )
        }
        for each in (ours, theirs)
    )
    common = first.keys() & second.keys()
    return (
        sum(first[seed] < second[seed] for seed in common),
        sum(first[seed] > second[seed] for seed in common),
    )


def gain(found: Sequence[Record]) -> str:
    """Whether EV_2 grows from cross-entropy to n = 2, like for like."""
    configs = {c.exponent: c for c in five_tasks.clean(TASK).values()}
    both = [by_seed.runs(found, configs[n]) for n in (None, 2.0)]
    if not all(both):
        return f"Like for like: {by_seed.NOT_YET}"
    plain, harmonic = (100 * by_seed.middle(by_seed.column(own, "ev_2")) for own in both)
    more = "it is larger" if harmonic > plain else "it is not larger"
    return (
        f"Like for like {more}: our medians are {harmonic:.0f} % with n = 2 and "
        f"{plain:.0f} % with cross-entropy"
    )


def flat_and_wrong(found: Sequence[Record]) -> str:
    """Of all recorded harmonic seeds of our protocol: the flattest, and how right they are."""
    own = [
        record
        for config in five_tasks.clean(TASK).values()
        if config.distance
        for record in by_seed.runs(found, config)
    ]
    if not own:
        return f"Our harmonic seeds: {by_seed.NOT_YET}."
    right = by_seed.column(own, "test_accuracy") > 0.9
    flat = by_seed.column(own, "ev_2") >= 0.9
    return (
        f"Of our {len(own)} recorded harmonic seeds, {int(right.sum())} are right on more than "
        f"90 % of the test facts; of the {int(flat.sum())} with an EV₂ of 90 % or more, "
        f"{int((flat & right).sum())}."
    )
