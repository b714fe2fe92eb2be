"""Genealogy: rules against every family, formulas against every set of facts, maps and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace

import fake_records
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from harmonic_lib.chapters.algorithmic.genealogy import (
    ceiling,
    families,
    figures,
    geometry,
    live,
    proofs,
    results,
)
from harmonic_lib.chapters.algorithmic.genealogy.families import (
    GRANDPARENT,
    PARENT,
    SIBLING,
    Fact,
    Known,
)
from harmonic_lib.data.tasks import task
from harmonic_lib.experiments import algorithmic as algo
from harmonic_lib.measure.embedding import explained_variance

# --- families and rules -----------------------------------------------------------------------


def test_the_tree_has_the_facts_of_the_task() -> None:
    table = task("genealogy")
    rows = torch.cat([table.x, table.y.unsqueeze(1)], 1).tolist()
    assert families.facts_of(families.TREE) == {tuple(row) for row in rows}
    assert families.is_family(families.TREE)


@pytest.mark.parametrize(
    "parents", [{2: 1, 3: 1, 4: 1}, {2: 3, 3: 2}, {2: 2}, {2: 5}, {2: 1, 3: 4, 4: 3}]
)
def test_what_is_not_a_family_is_found_out(parents: dict[int, int]) -> None:
    assert not families.is_family(parents)


def test_there_are_as_many_small_families_as_trees() -> None:
    # of three people: 1 with both others, or two chains
    assert len(families.small_families(3)) == 3
    # rooted labelled trees with root 1 of four people are 4² = 16; one has three children
    assert len(families.small_families(4)) == 15


def cousins(known: Known) -> Iterator[Fact]:
    """Wrong: who shares a grandparent is a sibling."""
    elders = list(known.of(GRANDPARENT))
    for i, k in elders:
        yield from ((i, SIBLING, j) for j, m in elders if i != j and k == m)


def no_room_anywhere(known: Known) -> Iterator[Fact]:
    """Wrong: elimination that forgets to ask whether the other child is full."""
    for i, k in known.of(GRANDPARENT):
        own = sorted(known.children.get(k, ()))
        if (i, PARENT) not in known.answer and len(own) == 2:
            yield i, PARENT, own[0]


def test_the_rules_are_sound_and_wrong_ones_are_not() -> None:
    assert proofs.soundness_violation() == 0
    assert proofs.soundness_violation((*families.RULES, cousins)) > 0
    assert proofs.soundness_violation((*families.DIRECT, no_room_anywhere)) > 0


EXAMPLES: dict[families.Rule, tuple[list[Fact], set[Fact]]] = {
    families.two_steps: ([(4, PARENT, 2), (2, PARENT, 1)], {(4, GRANDPARENT, 1)}),
    families.between: ([(4, PARENT, 2), (4, GRANDPARENT, 1)], {(2, PARENT, 1)}),
    families.shared: ([(4, SIBLING, 5), (5, PARENT, 2)], {(4, PARENT, 2)}),
    families.mutual: ([(4, SIBLING, 5)], {(5, SIBLING, 4)}),
    families.together: ([(4, PARENT, 2), (5, PARENT, 2)], {(4, SIBLING, 5), (5, SIBLING, 4)}),
    families.no_room: (
        [(2, PARENT, 1), (2, SIBLING, 3), (4, PARENT, 2), (5, PARENT, 2), (6, GRANDPARENT, 1)],
        {(6, PARENT, 3)},
    ),
}


@pytest.mark.parametrize("rule", families.RULES)
def test_each_rule_says_what_it_should(rule: families.Rule) -> None:
    given, follows = EXAMPLES[rule]
    assert set(rule(families.known(given))) - set(given) == follows
    for fact in given:  # and nothing of that without any one of its premises
        less = families.known([each for each in given if each != fact])
        assert not follows & set(rule(less))


def test_chaining_counts_rounds_and_rejects_contradictions() -> None:
    given = [(4, SIBLING, 5), (5, PARENT, 2), (2, PARENT, 1)]
    found = families.closure(given)
    assert found[4, SIBLING, 5] == 0
    assert found[5, SIBLING, 4] == found[4, PARENT, 2] == found[5, GRANDPARENT, 1] == 1
    assert found[4, GRANDPARENT, 1] == 2
    assert families.closure([]) == {}
    with pytest.raises(ValueError, match="contradict"):
        families.closure([(4, PARENT, 2), (4, PARENT, 3)])


def test_every_fact_of_the_clean_splits_is_derived_or_refuted() -> None:
    """The numbers that the chapter prints, of the splits that are recorded."""
    found = ceiling.total(ceiling.ceiling(algo.SEEDS["full"]))
    assert found == ceiling.Ceiling(900, 853, 868, 892, 8)
    assert found.open == 0


def test_another_family_has_what_is_told_and_answers_otherwise() -> None:
    given, asked = ceiling.split(789)
    full = families.closure(given)
    assert full.keys() <= set(ceiling.facts())
    open_facts = [fact for fact in asked if fact not in full]
    assert open_facts
    for fact in open_facts:
        other = families.other_family(given, fact)
        assert other is not None
        assert families.is_family(other)
        facts = families.facts_of(other)
        assert set(given) <= facts
        assert fact not in facts
    # what follows has no other answer in any family, so none may be found
    derived = [fact for fact in asked if fact in full][::8]
    assert all(families.other_family(given, fact) is None for fact in derived)


# --- one step ---------------------------------------------------------------------------------


def test_the_chances_of_one_step_are_exact_for_the_direct_rules_alone() -> None:
    assert proofs.one_step_violation() < 1e-12

    def childless(q: float, relation: int, children: int, siblings: int) -> float:
        return proofs.one_step_chance(q, relation, 0, siblings)

    assert proofs.one_step_violation(childless) > 0.1
    assert proofs.one_step_violation(rules=families.RULES) > 0.1
    assert proofs.one_step_violation(rules=families.DIRECT[1:]) > 0.1


def test_splits_agree_with_the_chances() -> None:
    for share in (0.3, 0.6):
        seen = ceiling.follows(share, range(2000, 2100), families.DIRECT, steps=1)
        for name, token in families.RELATIONS.items():
            assert abs(float(seen[name].mean()) - proofs.expected_share(share, token)) < 0.03


# --- maps -------------------------------------------------------------------------------------


def test_the_path_code_is_what_is_proved_of_it() -> None:
    code = proofs.path_code()
    assert code[12].tolist() == [1, -1, 1, 0, 0, 0]  # 13 = 1101: last steps first
    assert proofs.path_violation(code) == 0
    assert proofs.ranks(code) == list(range(7))
    assert proofs.growth_violation(code) < 1e-9
    full = explained_variance(proofs.path_code(127))
    assert torch.allclose(full, proofs.path_shares())
    assert float(full[1]) == pytest.approx(250 / 642)
    assert abs(float(explained_variance(proofs.path_code(63))[1] - full[1])) > 1e-3


def test_other_tables_fail_the_checks() -> None:
    code = proofs.path_code()
    joined = code.clone()
    joined[:, 0] = 0
    flipped = code.flip(1)
    noise = torch.randn(code.shape, generator=torch.Generator().manual_seed(0)).double()
    for table in (joined, flipped, noise):
        assert proofs.path_violation(table) > 0.5
    assert proofs.growth_violation(joined) >= 1  # a parent is still affine, but siblings meet
    assert proofs.growth_violation(noise) > 0.1


def brute_nearness(table: Tensor, relation: str) -> float:
    shift = {"parent": lambda i: i // 2, "sibling": lambda i: i ^ 1}[relation]
    wins = []
    for i in range(1, 127):
        j = shift(i)
        if not 1 <= j <= 126:
            continue
        own = float((table[i - 1] - table[j - 1]).norm())
        first = 2 ** int(math.log2(j))
        rest = [k for k in range(first, min(2 * first, 127)) if k not in (i, j)]
        if rest:
            far = [float((table[i - 1] - table[k - 1]).norm()) for k in rest]
            wins.append(np.mean([(d > own) + 0.5 * (d == own) for d in far]))
    return float(np.mean(wins))


def test_nearness_is_what_a_loop_says() -> None:
    table = torch.randn(126, 3, generator=torch.Generator().manual_seed(1)).double()
    for relation in ("parent", "sibling"):
        assert geometry.nearness(table, relation) == pytest.approx(brute_nearness(table, relation))
    assert abs(geometry.nearness(table, "sibling") - 0.5) < 0.1
    in_order = torch.arange(1, 127).double().unsqueeze(1)
    assert geometry.nearness(in_order // 2 * 2 + in_order % 2 / 9, "sibling") == 1


def test_hits_are_those_of_a_fit_to_the_other_families() -> None:
    code = proofs.path_code()
    assert geometry.map_hits(code, "parent", affine=True) == 1
    assert geometry.map_hits(code, "sibling", affine=True) == 1
    assert geometry.map_hits(code, "sibling", affine=False) == 0
    line = torch.arange(1, 127).double().log2().floor().unsqueeze(1) * torch.ones(1, 2)
    line[:, 1] = torch.arange(126)  # a step to the left a generation, and noise
    table = line + 0.3 * torch.randn(126, 2, generator=torch.Generator().manual_seed(2))
    people = np.arange(2, 127)
    hits = 0
    for pair in np.unique(people // 2):
        own = people // 2 == pair
        fit = LinearRegression().fit(table[people[~own] - 1], table[people[~own] // 2 - 1])
        image = torch.from_numpy(fit.predict(table[people[own] - 1]))
        hits += int((torch.cdist(image, table).argmin(1).numpy() + 1 == people[own] // 2).sum())
    assert geometry.map_hits(table, "parent", affine=True) == pytest.approx(hits / 125)


# --- networks and records ---------------------------------------------------------------------


class Oracle(nn.Module):
    """Knows parents and grandparents, and takes everybody for their own sibling."""

    def forward(self, x: Tensor) -> Tensor:
        person, relation = x.unbind(-1)
        steps = torch.where(relation == PARENT, 2, torch.where(relation == GRANDPARENT, 4, 1))
        return nn.functional.one_hot(person // steps, 130).double()


def oracle() -> algo.Outcome:
    metrics = {"train_accuracy": 1.0, "test_accuracy": 0.5, "ev_2": 0.4}
    made = SimpleNamespace(
        config=live.config_of("cross-entropy"),
        members=[Oracle(), Oracle()],
        measurements=[SimpleNamespace(seed=seed, metrics=metrics) for seed in (0, 52)],
    )
    return made  # type: ignore[return-value]


def test_accuracy_by_relation_and_the_answers_to_siblings() -> None:
    found = live.by_relation(oracle())
    assert found["parent"].tolist() == found["grandparent"].tolist() == [1, 1]
    assert found["sibling"].tolist() == [0, 0]
    answers = live.sibling_answers(oracle())
    held_out = sum(fact[1] == SIBLING for seed in (0, 52) for fact in ceiling.split(seed)[1])
    assert answers["the person asked about"] == sum(answers.values()) == held_out
    table = live.relation_table({"oracle": oracle()}, ceiling.ceiling((0, 52)))
    assert f"0 of {held_out}" in table.splitlines()[-1]


def test_the_splits_are_those_of_the_networks() -> None:
    config = live.config_of("harmonic, n = 2")
    (own,) = algo.splits(config, task("genealogy"), (52,))
    given, asked = ceiling.split(52)
    assert given == [ceiling.facts()[k] for k in own.train.tolist()]
    assert asked == [ceiling.facts()[k] for k in own.test.tolist()]
    with pytest.raises(ValueError, match="head"):
        live.config_of("softmax")
    with pytest.raises(ValueError, match="relation"):
        geometry.relative(torch.arange(3), "aunt")


def test_the_live_runs_are_the_recorded_configurations() -> None:
    runs = live.live("smoke")
    assert {len(run.members) for run in runs.values()} == {2}
    assert live.embedding_of(runs["cross-entropy"]).shape == (2, 126, 16)
    for run in runs.values():
        parts = live.by_relation(run)
        counts = [sum(f[1] == r for f in ceiling.split(0)[1]) for r in families.RELATIONS.values()]
        hits = sum(float(p[0]) * c for p, c in zip(parts.values(), counts, strict=True))
        assert hits / sum(counts) == pytest.approx(run.measurements[0].metrics["test_accuracy"])


def test_records_are_said_or_said_to_be_missing() -> None:
    assert set(results.against([]).values()) == {"not recorded yet"}
    assert results.by_fraction([]) == {}
    asked = ceiling.split(0)[1]
    line = sum(fact[1] != SIBLING for fact in asked) / len(asked)
    config = asdict(live.config_of("cross-entropy"))
    rows = [
        fake_records.record(config, 0, {"test_accuracy": share}, experiment="algorithmic")
        for share in (line, line + 1 / len(asked))
    ]
    said = results.against(rows)["cross-entropy"]
    assert said.startswith("1 of 2 seeds")
    drawn = algo.like_for_like("genealogy", None, fraction=0.4, drawn=True)
    row = fake_records.record(asdict(drawn), 0, {"unseen_accuracy": 0.25}, experiment="algorithmic")
    (points,) = results.by_fraction([row]).values()
    assert list(points) == [pytest.approx(1 - (371 / 372) ** 400)]


# --- figures ----------------------------------------------------------------------------------


def test_the_figures_hold_what_they_are_given() -> None:
    tree = figures.tree({"told": [(2, 1), (3, 1)], "follows": [(4, 2)], "unknown": []})
    assert {text.get_text() for text in tree.axes[0].texts} == {"1", "2", "3", "4"}
    names = [text.get_text() for text in tree.legends[0].texts]
    assert names == ["told (2)", "follows (1)", "unknown (0)"]
    parts = torch.tensor([0.25, 0.75])
    ceilings = figures.ceilings(
        {"parent": lambda q: q}, {"parent": {0.5: parts}}, {0.5: parts}, {}, {"head": {0.9: parts}}
    )
    marks = ceilings.axes[0].lines[1]
    assert np.asarray(marks.get_xydata()).tolist() == [[0.5, 50.0]]
    relations = figures.relations({"head": {"parent": parts}}, {"parent": 0.9})
    heights = [np.unique(line.get_ydata()).tolist() for line in relations.axes[0].lines[:3]]
    assert heights[0] == [pytest.approx(90)]
    assert heights[1:] == [[50], [25, 75]]
    maps = figures.maps({"path code": proofs.path_code()})
    assert len(maps.axes) == 2
    assert len(maps.axes[0].collections[0].get_offsets()) == 126
    plt.close("all")
