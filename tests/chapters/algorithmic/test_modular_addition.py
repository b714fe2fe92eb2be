"""Rings, their pictures in motion, and the runs of the chapter on modular addition."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace

import fake_records
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from torch import Tensor

import harmonic_lib as hl
from harmonic_lib.chapters.algorithmic.common.seeds import (
    NOT_YET,
    column,
    epoch_text,
    median,
    runs_of,
)
from harmonic_lib.chapters.algorithmic.modular_addition import figures, live, proofs, results
from harmonic_lib.evidence.record import Record
from harmonic_lib.experiments import algorithmic
from harmonic_lib.measure.rings import frequency_shares, ring_score
from harmonic_lib.plots.animation import EDGE, SIDE, Panel, aligned, animation


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


# --- rings -----------------------------------------------------------------------------------


def test_a_ring_has_one_frequency_in_whatever_plane() -> None:
    assert proofs.ring_violation() < 1e-12
    assert proofs.ring_violation(p=13, dim=2) < 1e-12
    table = proofs.rings(31, {5: 2.0})
    assert frequency_shares(table)[4] == pytest.approx(1)
    radius = (table - table.mean(0)).norm(dim=1)
    np.testing.assert_allclose(radius, 2.0)


@pytest.mark.parametrize("radii", [(1.0, 1.0), (1.0, 0.8), (3.0, 2.0, 1.0)])
def test_several_rings_share_by_their_squared_radii(radii: tuple[float, ...]) -> None:
    assert proofs.torus_violation(radii) < 1e-12


def test_the_checks_of_rings_notice_what_is_not_so() -> None:
    def shuffled(table: Tensor) -> float:
        generator = torch.Generator().manual_seed(1)
        return ring_score(table[torch.randperm(len(table), generator=generator)])

    assert proofs.ring_violation(score=shuffled) > 0.5
    assert proofs.torus_violation(score=shuffled) > 0.1
    uncentred = lambda table: float(torch.linalg.svdvals(table)[:2].square().sum())  # noqa: E731
    assert proofs.ring_violation(ev=uncentred) > 1


def test_rings_need_room() -> None:
    with pytest.raises(ValueError, match="2 rings need 4 dimensions, got 3"):
        proofs.rings(7, {1: 1.0, 2: 1.0}, dim=3)


# --- the animation ---------------------------------------------------------------------------


def turned(table: Tensor, seed: int) -> Tensor:
    """The table by a random orthogonal matrix, and elsewhere."""
    turn = torch.linalg.qr(normal(table.shape[1], table.shape[1], seed=seed)).Q
    return table @ turn + seed


def test_frames_that_differ_by_a_turn_are_one_picture() -> None:
    shape = normal(9, 4) * torch.tensor([3.0, 2.0, 0.5, 0.1])
    places = aligned(torch.stack([turned(shape, seed) for seed in range(1, 6)]))
    np.testing.assert_allclose(places, places[-1:].expand(5, -1, -1), atol=1e-12)
    assert places.shape == (5, 9, 2)


def test_alignment_turns_without_changing_distances() -> None:
    tables = normal(4, 9, 5, seed=2)
    places = aligned(tables)
    for place, table in zip(places, tables, strict=True):
        rows = table - table.mean(0)
        plane = rows @ torch.linalg.svd(rows).Vh[:2].T
        np.testing.assert_allclose(torch.cdist(place, place), torch.cdist(plane, plane), atol=1e-12)
    mirrored = places @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    for other in (mirrored, -places, places.flip(-1)):
        assert (places[:-1] - places[-1]).norm() < (other[:-1] - places[-1]).norm()


def test_alignment_wants_frames() -> None:
    with pytest.raises(ValueError, match=r"expected frames \(F, V, D\), got shape \(5, 2\)"):
        aligned(torch.zeros(5, 2))


def panel(count: int, title: str = "a < b") -> Panel:
    notes = [f"frame {k}, 100 % </script>" for k in range(count)]
    return Panel(title, normal(count, 31, 16), [*range(0, 31, 2), *range(1, 31, 2), 0], notes)


def made(count: int) -> str:
    names = [f"epoch {10 * k}" for k in range(count)]
    return animation("ring-1", [panel(count), panel(count, "other")], names, 'two "runs"')


def data_of(page: str) -> dict[str, object]:
    script = BeautifulSoup(page, "html.parser").find("script", type="application/json")
    assert script is not None
    data: dict[str, object] = json.loads(script.text)
    return data


def test_an_animation_has_every_frame_and_is_small() -> None:
    page = made(83)
    assert len(page.encode()) < 150_000
    data = data_of(page)
    assert data["frames"] == [f"epoch {10 * k}" for k in range(83)]
    for one in data["panels"]:  # type: ignore[attr-defined]
        places = np.array(one["places"])
        assert places.shape == (83, 62)
        assert len(one["notes"]) == 83
        assert places.min() >= EDGE
        assert places.max() <= SIDE - EDGE
        assert {places.min(), places.max()} & {EDGE, SIDE - EDGE}  # the panel is used


def test_without_its_script_the_last_frame_stands() -> None:
    page = made(5)
    soup = BeautifulSoup(page, "html.parser")
    controls = soup.select_one(".moving-controls")
    assert controls is not None
    assert controls.has_attr("hidden")
    for picture, one in zip(soup.select("svg"), data_of(page)["panels"], strict=True):  # type: ignore[call-overload]
        last = np.array(one["places"][-1]).reshape(-1, 2).tolist()
        discs = [re.findall(r"\d+", g["transform"]) for g in picture.select("g")]
        assert [[int(x), int(y)] for x, y in discs] == last
        line = picture.select_one("polyline")["points"].split()
        assert line == [f"{x},{y}" for x, y in (last[v] for v in one["path"])]
        assert [text.text for text in picture.select("text")] == [str(v) for v in range(31)]
    assert [p.text for p in soup.select(".moving-note")] == ["frame 4, 100 % </script>"] * 2


def test_texts_are_texts_and_nothing_is_fetched() -> None:
    page = made(3)
    soup = BeautifulSoup(page, "html.parser")
    assert soup.select_one("#ring-1")["aria-label"] == 'two "runs"'
    assert len(soup.select("script")) == 2
    assert soup.select("svg")[0]["aria-label"] == "a < b"
    assert not re.search(r"https?:|src=|href=|import", page)
    assert "prefers-reduced-motion" in page
    assert "@media print" in page


def test_an_animation_says_what_does_not_fit() -> None:
    names = ["one", "two"]
    with pytest.raises(ValueError, match="letters, digits and hyphens, got 'a b'"):
        animation("a b", [panel(2)], names, "")
    with pytest.raises(ValueError, match="has 3 frames and 3 notes, and 2 frames have names"):
        animation("a", [panel(3)], names, "")
    with pytest.raises(ValueError, match="has 2 frames and 1 notes"):
        animation("a", [replace(panel(2), notes=["one"])], names, "")


# --- the runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> dict[str, live.Run]:
    return live.pair("smoke")


def test_the_pair_shares_seed_and_split_and_keeps_every_embedding(
    pair: dict[str, live.Run],
) -> None:
    entropy, harmonic = (run.outcome for run in pair.values())
    assert entropy.measurements[0].seed == harmonic.measurements[0].seed == live.SEED
    assert harmonic.config == replace(entropy.config, distance="euclidean", exponent=2.0)
    for run in pair.values():
        assert run.tables.shape == (4, 31, 16)
        assert (run.tables.diff(dim=0).abs().amax((1, 2)) > 0).all()  # no frame is another's memory
        last = algorithmic.embedding_of(run.outcome.members[0])
        torch.testing.assert_close(run.tables[-1], last)
        assert run.metrics["test_accuracy"] == run.rung.test_accuracy[0]


def test_frames_go_on_with_the_last_one(pair: dict[str, live.Run]) -> None:
    run = pair["cross-entropy"]
    tables, notes = live.frames(run, [1, 3, 4, 10])
    torch.testing.assert_close(tables, run.tables[[0, 2, 3, 3]])
    train = float(run.outcome.history["train_accuracy"][2, 0])
    assert notes[1].startswith(f"epoch 3: train {100 * train:.0f}\N{NO-BREAK SPACE}%, test")
    assert notes[2] == notes[3]
    assert notes[3].startswith("epoch 4, stopped: ")
    ev = proofs.ev_2(tables[0])
    assert notes[0].endswith(f"EV₂ {100 * ev:.0f}\N{NO-BREAK SPACE}%")


def test_other_heads_are_those_that_are_named() -> None:
    (rung,) = live.ladder("smoke")
    assert (rung.config.distance, rung.config.exponent) == ("euclidean", 4.0)
    others = live.others("smoke")
    assert [o.config.distance for o in others] == list(live.DISTANCES)
    assert all(o.config.exponent == 4.0 for o in others)
    for make in (live.pair, live.ladder, live.others):
        with pytest.raises(ValueError, match="unknown profile 'quik'"):
            make("quik")


def record(
    exponent: float | None, seed: int, distance: str = "euclidean", **metrics: float
) -> Record:
    names = ("train_epoch_90", "train_accuracy", "test_accuracy", "ev_2", "ring_score")
    config = asdict(results.of_exponent(exponent, distance))
    return fake_records.record(
        config, seed, dict.fromkeys(names, 0.5) | metrics, experiment="algorithmic"
    )


def test_rungs_are_the_exponents_that_are_recorded() -> None:
    never = math.nan
    found = [
        record(None, 0, test_epoch_90=never),
        record(4.0, 5, test_epoch_90=30.0),
        record(4.0, 1, test_epoch_90=10.0),
        record(4.0, 3, test_epoch_90=never),
        fake_records.changed(record(4.0, 0, test_epoch_90=1.0), config={"task": "another"}),
    ]
    four, entropy = results.rungs(found)
    assert (four.exponent, entropy.exponent) == (4.0, None)
    np.testing.assert_array_equal(four.test_epoch, [10, never, 30])
    assert (four.solved, four.generalised, four.delay) == (2, 30, 29.5)
    assert (entropy.solved, entropy.generalised, entropy.delay) == (0, math.inf, math.inf)
    assert entropy.fitted == 0.5
    assert results.rungs([]) == []
    assert runs_of(found, results.of_exponent(8.0)) == []


def test_tables_tell_medians_and_what_is_missing() -> None:
    (four,) = results.rungs([record(4.0, s, test_epoch_90=e) for s, e in ((0, 10.0), (1, 21.0))])
    *_, first, second = results.rung_table({"four": four, "eight": None}).splitlines()
    assert first == "| four | 2 | 0.5 | 15.5 | 2 | 50 | 50 | 0.50 |"
    assert second.startswith("| eight | not recorded yet |")
    assert epoch_text(math.inf) == "never"


def test_the_table_of_distances_has_them_all() -> None:
    found = [record(4.0, s, test_epoch_90=e) for s, e in ((0, 10.0), (1, math.nan))]
    _, _, *lines = results.distance_table(found).splitlines()
    assert len(lines) == 9
    assert lines[0] == "| euclidean | – | – | 1 of 2; 50 / 50 | – | – |"
    assert lines[1] == "| manhattan | – | – | – | – | – |"


def test_a_distance_is_compared_at_its_best_exponent() -> None:
    few = [record(2.0, s, test_epoch_90=e) for s, e in ((0, 10.0), (1, math.nan))]
    slow = [record(4.0, s, train_epoch_90=40.0, test_epoch_90=50.0 + s) for s in (0, 1)]
    soon = [record(8.0, s, train_epoch_90=20.0, test_epoch_90=30.0 + s) for s in (0, 1)]
    late = [record(16.0, s, train_epoch_90=20.0, test_epoch_90=math.nan) for s in (0, 1)]
    every = [few + slow, few + slow + soon, few + slow + soon + late]
    assert [results.best(results.rungs(found)).exponent for found in every] == [4.0, 8.0, 8.0]
    _, _, *lines = results.best_table(every[-1]).splitlines()
    own = "| euclidean | 8 | yes | 2 of 2 | 0 | 20 | 30.5 | 50 | 0.50 | never |"
    assert lines[0] == own
    assert lines[1] == f"| manhattan | {NOT_YET} |  |  |  |  |  |  |  |  |"
    with pytest.raises(ValueError, match="empty"):
        results.best([])


def test_a_best_exponent_at_the_end_is_not_bracketed() -> None:
    epochs = {2.0: 30.0, 4.0: 20.0, 8.0: 10.0, 16.0: 40.0}
    rows = results.rungs([record(n, 0, test_epoch_90=e) for n, e in epochs.items()])
    assert results.bracket(rows) == "yes"
    assert results.bracket(rows[:3]) == "no, the largest tried"
    assert results.bracket(rows[2:]) == "no, the lowest tried"
    assert results.bracket(results.rungs([record(2.0, 0, test_epoch_90=math.nan)])) == "none works"
    late = [record(n, s, test_epoch_90=math.nan) for n in (2.0, 4.0) for s in (0, 1)]
    (line, *_) = results.best_table(late).splitlines()[2:]
    assert (
        line == "| euclidean | – | none works | 0 of all 4 |" + " – |" * 5 + " not recorded yet |"
    )


def test_brackets_are_told_for_all_nine() -> None:
    never = [math.nan] * 5
    epochs = {"cosine": [5, 6, 7, 8, 9], "canberra": never, "hamming": [9, 8, 7, 6, 5]}
    told = live.bracket_text(nine(epochs))
    first, lowest, _, largest, _, none = re.split(r"[.:] ", told)
    assert first.endswith(
        "tried for euclidean, manhattan, minkowski, chebyshev, bray–curtis, mahalanobis"
    )
    assert lowest.startswith("For cosine it is the lowest")
    assert largest.startswith("For hamming it is the largest")
    assert none == "No exponent works for canberra."
    assert NOT_YET in live.bracket_text(nine(epochs)[1:])


def test_a_side_on_which_nothing_is_clearly_later_is_named() -> None:
    """Six seeds that all point the same way have p = 1/32, five have 1/16."""
    epochs = {2.0: [20.0] * 5 + [10.0], 4.0: [10.0] * 6, 8.0: [30.0] * 5 + [math.nan]}
    found = [record(n, s, test_epoch_90=e) for n, es in epochs.items() for s, e in enumerate(es)]
    found += [record(n, 0, "cosine", test_epoch_90=e) for n, e in ((2.0, 9.0), (4.0, 5.0))]
    every = {name: rows for name, rows in results.by_distance(found).items() if rows}
    assert live.unsettled_text(every) == "below, for euclidean; above, for none"
    slower = [record(2.0, 5, test_epoch_90=20.0)]
    found = [r for r in found if (r.config["exponent"], r.seed) != (2.0, 5)] + slower
    every = {name: rows for name, rows in results.by_distance(found).items() if rows}
    assert live.unsettled_text(every) == "below, for none; above, for none"


def test_maps_are_told_of_the_seeds_that_get_there() -> None:
    kinds = ((1.0, 0.99, 0.98), (2.0, 0.6, 0.55), (3.0, 0.4, 0.4))
    found = [
        record(n, s, test_epoch_90=e, ring_frequencies=k, ev_2=ev, ring_score=score)
        for n, e in ((2.0, 20.0), (4.0, 10.0))
        for s, (k, ev, score) in enumerate(kinds)
    ]
    found += [record(2.0, 3, test_epoch_90=math.nan, ring_frequencies=9.0, ev_2=0.9, ring_score=0)]
    every = results.by_distance(found)
    assert live.near_text(every) == "within 0.1 in 6 of 6 seeds (at most 0.05)"
    assert live.near_text(every, 0.02).startswith("within 0.02 in 4 of 6 seeds")
    assert live.circles_text(every, ["euclidean", "cosine"], 2.0) == "1 of 3"
    assert live.frequencies_text(every) == "1 have one frequency, 1 two and 1 more"


def nine(epochs: dict[str, list[float]]) -> list[Record]:
    """A seed for each distance and exponent, fitted at epoch 5, with these epochs on test facts."""
    return [
        record(n, 0, distance, train_epoch_90=5.0, test_epoch_90=epoch)
        for distance in hl.DISTANCES
        for n, epoch in zip(
            results.EVERY_DISTANCE, epochs.get(distance, [99, 9, 8, 7, 50]), strict=True
        )
    ]


def test_what_is_said_of_nine_distances_is_checked() -> None:
    never = math.nan
    odd = {"cosine": [9, 6, 6, 6, never], "hamming": [9, 9, 8, 7, 8]}
    good = nine({"canberra": [never] * 5} | odd)
    told, verdicts = zip(*results.distance_lessons(good), strict=True)
    assert verdicts == ("holds",) * 3
    assert "(8 of 9: euclidean, manhattan" in told[0]
    assert "some never (canberra)" in told[0]
    assert "(8 of 8)" in told[1]
    assert told[2].endswith("(epoch 7; cosine with n = 2: 6)")
    rest = {name: [never] * 5 for name in list(hl.DISTANCES)[1:]}
    bad = nine(rest | {"euclidean": [9, 9, 8, 7, 7]})
    assert [verdict for _, verdict in results.distance_lessons(bad)] == ["does not hold"] * 3
    assert results.distance_lessons(good[1:])[0][1] == NOT_YET


def test_circles_are_counted_with_their_accuracy() -> None:
    runs = [record(2.0, 0, ev_2=0.99, test_accuracy=0.4), record(2.0, 1, ev_2=0.95)]
    runs += [record(2.0, 2, ev_2=1.0, test_accuracy=1.0), record(2.0, 3, ev_2=0.94)]
    assert results.circles(runs) == "3 of 4, 1 of them above 90 % on test facts"
    assert results.circles([]) == NOT_YET


def test_the_case_study_reports_shares() -> None:
    names = {f"case-study-{case}": case for case in ("cross-entropy", "harmonic")}
    assert results.reported_cases("ev_2", names) == {"cross-entropy": 0.26, "harmonic": 1.0}
    assert results.reported_cases("test_accuracy", names) == {"cross-entropy": 0.5}
    found = [record(2.0, s, ev_2=v) for s, v in enumerate((0.1, 0.9, 0.3))]
    assert median(column(found, "ev_2")) == 0.3


def every_rung(epochs: dict[float | None, float], ev: dict[float | None, float]) -> list[Record]:
    return [
        record(n, s, train_epoch_90=5.0, test_epoch_90=epochs[n], ev_2=ev[n])
        for n in results.LADDER
        for s in range(10)
    ]


def test_lessons_are_told_by_the_numbers() -> None:
    never = math.nan
    flat = {1.0: 0.9, 2.0: 0.9, 4.0: 0.6, 8.0: 0.5, 16.0: 0.5, 32.0: 0.5, None: 0.3}
    epochs = {1.0: never, 2.0: 90.0, 4.0: 10.0, 8.0: 11.0, 16.0: 20.0, 32.0: 40.0, None: never}
    found = results.lessons(results.rungs(every_rung(epochs, flat)))
    assert [verdict for _, verdict in found] == ["holds", "holds", "holds", "does not hold"]
    assert "(5, 6, 15, 35 epochs)" in found[2][0]
    assert found[3][0].endswith("10 with n = 32 alone, 0 with cross-entropy alone, p = 0.002)")
    other = epochs | {4.0: 30.0, 32.0: never}
    found = results.lessons(results.rungs(every_rung(other, flat | {4.0: 1.0})))
    verdicts = [verdict for _, verdict in found]
    assert verdicts == ["does not hold", "does not hold", "does not hold", "holds"]
    assert results.lessons([]) == [("the exponents", NOT_YET)]


def test_every_rung_is_recorded_by_the_experiment() -> None:
    full = algorithmic.configs("full")
    assert all(results.of_exponent(n) in full for n in results.LADDER)


# --- the figures -----------------------------------------------------------------------------


@pytest.mark.usefixtures("style")
def test_learning_curves_shade_the_delay() -> None:
    accuracy = torch.linspace(0, 1, 40).unsqueeze(1)
    history = {"train_accuracy": accuracy, "test_accuracy": accuracy / 2}
    figure = figures.learning_curves(
        {"late": history, "at once": history},
        {"late": (10.0, 30.0), "at once": (10.0, math.nan)},
        1 / 31,
    )
    late, once = figure.axes
    np.testing.assert_allclose(late.lines[0].get_ydata(), 100 * accuracy[:, 0])
    np.testing.assert_allclose(late.lines[1].get_xdata(), range(1, 41))
    (span,) = late.patches
    assert (span.get_x(), span.get_width()) == (10, 20)
    assert not once.patches
    assert late.lines[2].get_ydata()[0] == pytest.approx(100 / 31)


@pytest.mark.usefixtures("style")
def test_spectra_show_the_shares_and_mark_the_strongest() -> None:
    figure = figures.spectra({"torus": proofs.rings(31, {3: 1.0, 7: 2.0}), "ring": normal(31, 4)})
    bars = figure.axes[0].patches
    heights = [bar.get_height() for bar in bars]
    assert heights[2] == pytest.approx(20)
    assert heights[6] == pytest.approx(80)
    assert [k for k, bar in enumerate(bars) if bar.get_facecolor() != bars[0].get_facecolor()] == [
        6
    ]
    assert figure.axes[0].texts[0].get_text() == "ring score 0.80, EV$_2$ 0.80"


@pytest.mark.usefixtures("style")
def test_cases_show_seeds_reports_and_what_is_missing() -> None:
    seeds = {"EV": {"a": torch.tensor([0.25, 0.5])}, "accuracy": {"a": torch.tensor([1.0])}}
    figure = figures.cases(seeds, {"EV": {"a": 0.26, "b": 1.0}})
    first, second = figure.axes
    places = [line.get_xydata().tolist() for line in first.lines]
    assert [x for x, _ in places[0]] == [25, 50]
    assert [place[0] for place in places[1:]] == [[26, 0], [100, 1]]
    assert [text.get_text() for text in first.texts] == ["not recorded yet"]
    assert [text.get_text() for text in second.texts] == ["not recorded yet"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
