"""Measures of embeddings against scikit-learn, NumPy, SciPy and closed forms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import entropy, f_oneway
from sklearn.decomposition import PCA
from sklearn.metrics import calinski_harabasz_score
from torch import Tensor

from harmonic_lib.measure.cosets import (
    PERMUTATIONS,
    PLACE,
    PRODUCT,
    best_coset_partition,
    coset_scatter,
    cosets,
    partitions,
    subgroups,
)
from harmonic_lib.measure.embedding import (
    components_for,
    effective_rank,
    explained_variance,
    projection,
)
from harmonic_lib.measure.grokking import grokking_gap, seen_and_unseen, stays_above
from harmonic_lib.measure.parallelograms import grid_quads, parallelogram_error, side_error
from harmonic_lib.measure.rings import (
    frequency_shares,
    radius_variation,
    ring_frequencies,
    ring_frequency,
    ring_order,
    ring_score,
)
from harmonic_lib.measure.scatter import within_over_between, within_variance_share

# the mean of equal rows, as rounded, is not these rows
COLLAPSED = torch.tensor([0.1, 1 / 3, math.pi, 1e5 / 7], dtype=torch.float64).expand(31, 4)


def ring(p: int, frequency: int) -> Tensor:
    """Residue a at the angle 2 pi · frequency · a / p of the unit circle, (p, 2)."""
    angle = 2 * torch.pi * frequency * torch.arange(p, dtype=torch.float64) / p
    return torch.stack([angle.cos(), angle.sin()], 1)


def turned(table: Tensor, dim: int = 16) -> Tensor:
    """The table in ``dim`` dimensions, turned at random and moved: its shape is the same."""
    padded = torch.cat([table.double(), torch.zeros(len(table), dim - table.shape[1])], 1)
    turn, _ = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64))
    return padded @ turn + torch.randn(dim, dtype=torch.float64)


def grid(side: int = 5) -> Tensor:
    """The points of a square grid, (side², 2)."""
    axis = torch.arange(side, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


# --- dimensions --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(31, 16), (24, 16), (10, 16)])
def test_the_explained_variance_is_that_of_scikit_learn(shape: tuple[int, int]) -> None:
    table = torch.randn(shape) * torch.linspace(1, 3, shape[1]) + 100
    theirs = PCA().fit(table.double().numpy()).explained_variance_ratio_
    np.testing.assert_allclose(explained_variance(table), theirs.cumsum(), rtol=1e-10)
    assert explained_variance(table).dtype == torch.float64


@pytest.mark.parametrize("shape", [(31, 16), (10, 16)])
def test_the_projection_is_that_of_scikit_learn_with_its_signs(shape: tuple[int, int]) -> None:
    table = torch.randn(shape) * torch.linspace(1, 3, shape[1])
    theirs = PCA(3, svd_solver="full").fit_transform(table.double().numpy())
    np.testing.assert_allclose(projection(table, 3), theirs, atol=1e-9)


def test_a_turned_circle_has_two_equal_dimensions() -> None:
    shares = explained_variance(turned(ring(31, 1)))
    assert shares[:2].tolist() == pytest.approx([0.5, 1])
    assert components_for(turned(ring(31, 7))) == 2
    assert effective_rank(turned(ring(31, 7))) == pytest.approx(2)


def test_a_simplex_needs_all_but_one_dimension() -> None:
    clusters = torch.eye(6).repeat(3, 1)  # K tight clusters: their EV_2 is 2 / (K - 1)
    assert float(explained_variance(clusters)[1]) == pytest.approx(2 / 5)
    assert effective_rank(clusters) == pytest.approx(5)
    assert components_for(clusters, 0.99) == 5


def test_the_components_are_counted_until_they_hold_the_share() -> None:
    # variances along the axes 6, 3, 1
    table = torch.cat([torch.diag(torch.tensor([6.0, 3.0, 1.0]).sqrt()) * sign for sign in (1, -1)])
    assert explained_variance(table).tolist() == pytest.approx([0.6, 0.9, 1.0])
    assert [components_for(table, share) for share in (0.59, 0.61, 0.89, 0.91)] == [1, 2, 2, 3]


def test_the_effective_rank_is_the_entropy_of_variances_not_of_singular_values() -> None:
    table = torch.randn(31, 16, dtype=torch.float64) * torch.linspace(1, 5, 16)
    values = np.linalg.svd((table - table.mean(0)).numpy(), compute_uv=False)
    assert effective_rank(table) == pytest.approx(math.exp(entropy(values**2)), rel=1e-10)
    assert effective_rank(table) < 0.95 * math.exp(entropy(values))


def test_a_collapse_is_an_outcome_and_not_an_error() -> None:
    assert explained_variance(COLLAPSED).isnan().all()
    numbers = [
        effective_rank(COLLAPSED),
        ring_score(COLLAPSED),
        radius_variation(COLLAPSED),
        within_variance_share(COLLAPSED, torch.arange(31) % 5),
        within_over_between(COLLAPSED, torch.arange(31) % 5),
        parallelogram_error(COLLAPSED, grid_quads()),
    ]
    assert all(math.isnan(number) for number in numbers)
    counts = (components_for, ring_frequency, ring_frequencies)
    assert [count(COLLAPSED) for count in counts] == [0, 0, 0]
    assert not projection(COLLAPSED).any()


@pytest.mark.parametrize("measure", [explained_variance, ring_score, projection, effective_rank])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (torch.ones(5), r"table \(V, D\) of at least two rows, got shape \(5,\)"),
        (torch.ones(1, 3), r"at least two rows, got shape \(1, 3\)"),
        (torch.ones(4, 0), r"got shape \(4, 0\)"),
        (torch.tensor([[1.0, torch.nan], [torch.inf, 0]]), "2 non-finite numbers"),
    ],
)
def test_what_is_no_table_is_refused(
    measure: Callable[[Tensor], object], table: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(table)


@pytest.mark.parametrize("k", [0, 4])
def test_a_table_has_so_many_axes_and_no_more(k: int) -> None:
    with pytest.raises(ValueError, match=rf"between 1 and min\(V, D\) = 3, got {k}"):
        projection(torch.randn(5, 3), k)


@pytest.mark.parametrize("count", [components_for, ring_frequencies])
@pytest.mark.parametrize("share", [0.0, 1.0, 90.0])
def test_a_share_is_one(count: Callable[[Tensor, float], int], share: float) -> None:
    with pytest.raises(ValueError, match=f"share must lie between 0 and 1, got {share}"):
        count(torch.randn(5, 3), share)


def test_the_measures_leave_the_graph_alone() -> None:
    table = torch.randn(31, 4, requires_grad=True)
    assert not explained_variance(table).requires_grad
    assert not projection(table).requires_grad


# --- rings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [30, 31])
def test_the_shares_of_frequencies_are_those_of_numpy(p: int) -> None:
    table = torch.randn(p, 16, dtype=torch.float64) + 5
    power = (np.abs(np.fft.fft(table.numpy(), axis=0)) ** 2).sum(1)
    theirs = [power[list({k, p - k})].sum() for k in range(1, p // 2 + 1)]
    np.testing.assert_allclose(frequency_shares(table), theirs / power[1:].sum(), rtol=1e-10)


@pytest.mark.parametrize("frequency", range(1, 16))
def test_a_perfect_ring_in_any_step_scores_1(frequency: int) -> None:
    table = turned(ring(31, frequency))
    assert ring_score(table) == pytest.approx(1)
    assert ring_frequency(table) == frequency
    assert ring_frequencies(table, 0.99) == 1


def test_the_order_of_a_ring_goes_round_it() -> None:
    steps = ring_order(turned(ring(31, 12))).diff() % 31
    assert steps.tolist() == [13] * 30  # 12 · 13 = 156 = 5 · 31 + 1
    places = ring(31, 12)[ring_order(ring(31, 12))]
    assert (places[1:] - places[:-1]).norm(dim=1).numpy() == pytest.approx(
        2 * math.sin(math.pi / 31)
    )


def test_the_frequency_that_is_its_own_mirror() -> None:
    assert ring_score(ring(8, 4)) == pytest.approx(1)
    both = torch.cat([ring(8, 4)[:, :1], ring(8, 1)], 1)  # variances 1, and 1/2 twice
    assert frequency_shares(both).tolist() == pytest.approx([0.5, 0, 0, 0.5])


def test_a_torus_of_two_rings_scores_a_half() -> None:
    table = turned(torch.cat([ring(31, 3), ring(31, 8)], 1))
    assert ring_score(table) == pytest.approx(0.5)
    assert ring_frequencies(table) == 2
    uneven = torch.cat([2 * ring(31, 3), ring(31, 8)], 1)  # variances 4 : 1
    assert ring_score(uneven) == pytest.approx(0.8)
    assert (ring_frequencies(uneven, 0.79), ring_frequencies(uneven, 0.81)) == (1, 2)


def test_a_frequency_of_noise_holds_its_fair_share() -> None:
    shares = torch.stack([frequency_shares(torch.randn(31, 16)) for _ in range(300)])
    assert float(shares[:, 4].mean()) == pytest.approx(2 / 30, rel=0.03)
    assert float(shares.max(1).values.mean()) == pytest.approx(0.1, abs=0.01)


def test_a_shuffled_circle_shows_in_the_ring_score_alone() -> None:
    circle = ring(32, 1)
    shuffled = circle[torch.randperm(32)]
    assert radius_variation(shuffled) == pytest.approx(0, abs=1e-9)
    assert radius_variation(turned(shuffled)) == pytest.approx(0, abs=1e-9)
    assert ring_score(shuffled) < 0.3
    assert ring_score(circle) == pytest.approx(1)


def test_the_released_measure_makes_a_circle_of_an_ellipse() -> None:
    ellipse = ring(32, 1) * torch.tensor([10.0, 1.0])
    assert radius_variation(turned(ellipse)) == pytest.approx(0, abs=1e-9)
    assert ring_score(ellipse) == pytest.approx(1)  # does not see it either; EV_1 does
    assert float(explained_variance(ellipse)[0]) == pytest.approx(100 / 101)


def test_the_released_radius_by_numpy() -> None:
    table = torch.randn(31, 16)
    box = PCA(2, svd_solver="full").fit_transform(table.double().numpy())
    box = (box - box.min(0)) / (box.max(0) - box.min(0))
    radius = np.linalg.norm(box - box.mean(0), axis=1)
    assert radius_variation(table) == pytest.approx(radius.std() / radius.mean(), rel=1e-9)


# --- parallelograms ----------------------------------------------------------------------------


def test_the_quads_are_those_of_the_released_code() -> None:
    quads = grid_quads()
    assert len(quads) == 684
    a, b, c, d = grid()[quads].unbind(1)
    assert torch.equal(a + d, b + c)
    (u, v) = (b - a, c - a)
    assert int((u[:, 0] * v[:, 1] == u[:, 1] * v[:, 0]).sum()) == 10  # on a diagonal line
    assert len({frozenset(quad) for quad in quads.tolist()}) == 684
    assert grid_quads(2).tolist() == [[0, 1, 2, 3]]
    assert grid_quads(1).shape == (0, 4)


def test_any_affine_image_of_a_grid_closes() -> None:
    image = turned(grid() @ torch.randn(2, 2, dtype=torch.float64))
    assert parallelogram_error(image, grid_quads()) == pytest.approx(0, abs=1e-12)
    assert side_error(image, grid_quads()) == pytest.approx(0, abs=1e-6)


def test_a_skew_quad_scores_0_in_the_released_measure_alone() -> None:
    h = 1.0
    bent = torch.tensor([[0, 0, h], [1, 0, 0], [0, 1, 0], [1, 1, h]])
    assert side_error(bent, grid_quads(2)) == pytest.approx(0, abs=1e-12)
    assert parallelogram_error(bent, grid_quads(2)) == pytest.approx(2 * h / math.sqrt(1 + h**2))


def test_so_does_a_quad_that_crosses_over_itself() -> None:
    crossed = torch.tensor([[0.0, 0], [3, 1], [1, 1], [4, 0]])  # ab = cd, ac = bd, not parallel
    assert side_error(crossed, grid_quads(2)) == pytest.approx(0, abs=1e-12)
    assert parallelogram_error(crossed, grid_quads(2)) == pytest.approx(2 / math.sqrt(6))


def test_the_errors_by_hand() -> None:
    # a trapezium: ab = 1, cd = 3, ac = bd = sqrt(2), diagonals sqrt(5); a + d - b - c = (2, 0)
    table = torch.tensor([[0.0, 1], [1, 1], [-1, 0], [2, 0]])
    quad = torch.tensor([[0, 1, 2, 3]])
    assert parallelogram_error(table, quad) == pytest.approx(2 / math.sqrt((1 + 9 + 2 + 2) / 4))
    assert side_error(table, quad) == pytest.approx(2 / math.sqrt((1 + 9 + 5 + 5) / 2))
    # a large one that closes beside it: each has its own scale, so the mean is a half
    both = torch.cat([table, 1000 * grid(2).float()])
    quads = torch.cat([quad, quad + 4])
    for error in (parallelogram_error, side_error):
        assert error(both, quads) == pytest.approx(error(table, quad) / 2)


def test_noise_gives_the_root_of_two() -> None:
    table = torch.randn(25, 2000)
    assert parallelogram_error(table, grid_quads()) == pytest.approx(math.sqrt(2), rel=0.01)


def test_a_far_row_cannot_lower_the_error() -> None:
    for table in (grid() + 0.1 * torch.randn(25, 2), torch.randn(25, 16, dtype=torch.float64)):
        far = table.clone()
        far[12] += 1e6
        inside = (grid_quads() == 12).any(1)
        assert parallelogram_error(far, grid_quads()[inside]) == pytest.approx(
            math.sqrt(2), rel=1e-4
        )
        others = grid_quads()[~inside]
        assert parallelogram_error(far, others) == parallelogram_error(table, others)


def test_units_do_not_matter() -> None:
    table = torch.randn(25, 16, dtype=torch.float64)
    for error in (parallelogram_error, side_error):
        assert error(1e9 * table, grid_quads()) == pytest.approx(error(table, grid_quads()))


@pytest.mark.parametrize(
    ("quads", "message"),
    [
        (torch.zeros(3, 3, dtype=torch.int64), r"\(Q, 4\), got \(3, 3\)"),
        (torch.empty(0, 4, dtype=torch.int64), r"\(Q, 4\), got \(0, 4\)"),
        (torch.tensor([[0, 1, 2, 9]]), "row numbers 0 … 3"),
        (torch.tensor([[0, 1, 2, -1]]), "row numbers 0 … 3"),
        (torch.zeros(1, 4), "row numbers 0 … 3"),
    ],
)
def test_quads_name_rows_of_the_table(quads: Tensor, message: str) -> None:
    for error in (parallelogram_error, side_error):
        with pytest.raises(ValueError, match=message):
            error(torch.randn(4, 3), quads)


# --- scatter -----------------------------------------------------------------------------------


def test_within_over_between_is_that_of_scipy() -> None:
    table, labels = torch.randn(40, 16) + 50, torch.arange(40) % 5
    dist = cdist(table.double(), table.double())
    same = np.equal.outer(labels.numpy(), labels.numpy())
    within = dist[same & ~np.eye(40, dtype=bool)].mean()
    expected = within / dist[~same].mean()
    assert within_over_between(table, labels) == pytest.approx(expected, rel=1e-9)
    assert within_over_between(table, labels) == pytest.approx(1, abs=0.05)  # labels say nothing


def test_no_distance_is_dropped_as_an_outlier() -> None:
    table = torch.tensor([[0.0], [100], [1], [1]])  # within: 100 and 0; between: 1, 1, 99, 99
    assert within_over_between(table, torch.tensor([0, 0, 1, 1])) == pytest.approx(50 / 50)


def test_the_share_within_classes_is_that_of_the_analysis_of_variance() -> None:
    table, labels = torch.randn(30, 1, dtype=torch.float64), torch.arange(30) % 5 * 7 - 3
    groups = [table[labels == label, 0].numpy() for label in labels.unique()]
    share = within_variance_share(table, labels)
    ratio = (1 - share) / 4 / (share / 25)
    assert ratio == pytest.approx(f_oneway(*groups).statistic, rel=1e-9)


def test_points_as_classes_have_nothing_within() -> None:
    table, labels = torch.eye(5).repeat(3, 1), torch.arange(15) % 5
    assert within_over_between(table, labels) == 0
    assert within_variance_share(table, labels) == pytest.approx(0, abs=1e-15)


def test_labels_that_say_nothing_leave_their_share() -> None:
    labels = torch.arange(24) % 6
    shares = [within_variance_share(torch.randn(24, 16), labels) for _ in range(200)]
    assert np.mean(shares) == pytest.approx(18 / 23, abs=0.01)


@pytest.mark.parametrize("measure", [within_over_between, within_variance_share])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), r"each of 4 rows, got torch.int64 of shape \(3,\)"),
        (torch.zeros(4), "got torch.float32"),
        (torch.zeros(4, dtype=torch.int64), "got 1 classes of 4 rows"),
        (torch.arange(4), "got 4 classes of 4 rows"),
    ],
)
def test_classes_are_some_and_not_all_alone(
    measure: Callable[[Tensor, Tensor], float], labels: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(torch.randn(4, 3), labels)


# --- grokking ----------------------------------------------------------------------------------


def first_epoch(accuracy: list[float], level: float, epochs: int) -> float:
    """The definition, epoch by epoch."""
    for start in range(len(accuracy) - epochs + 1):
        if all(value > level for value in accuracy[start : start + epochs]):
            return start + 1
    return math.nan


def test_the_first_epoch_is_that_of_the_definition(rng: np.random.Generator) -> None:
    accuracy = rng.uniform(0.8, 1, size=(60, 30))
    ours = stays_above(torch.tensor(accuracy), 0.9, 5)
    expected = [first_epoch(list(seed), 0.9, 5) for seed in accuracy.T]
    assert 0 < np.isnan(expected).sum() < 30
    np.testing.assert_array_equal(ours, expected)
    assert ours.dtype == torch.float64


def test_epochs_are_counted_from_1_and_have_to_be_above() -> None:
    curve = torch.tensor([0.5, 0.95, 0.9, 0.95, 0.96, 0.97], dtype=torch.float64)
    assert float(stays_above(curve, 0.9, 1)) == 2
    assert float(stays_above(curve, 0.9, 3)) == 4  # 0.9 itself is not above
    assert stays_above(curve, 0.9, 4).isnan()
    assert float(stays_above(torch.ones(20))) == 1


def test_a_run_shorter_than_the_window_is_censored() -> None:
    assert stays_above(torch.ones(19, 3)).isnan().tolist() == [True] * 3


def test_the_gap_is_nan_where_a_seed_never_gets_there() -> None:
    epoch = torch.arange(1, 101).unsqueeze(1)
    train, test = (epoch >= torch.tensor(at) for at in ([10, 10, 90], [10, 50, 20]))
    gap = grokking_gap(train.double(), test.double())
    assert gap[:2].tolist() == [0, 40]
    assert gap[2].isnan()


def test_accuracies_have_one_or_two_axes() -> None:
    with pytest.raises(ValueError, match=r"\(E,\) or \(E, S\), got shape \(2, 3, 4\)"):
        stays_above(torch.ones(2, 3, 4))
    with pytest.raises(ValueError, match=r"got shape \(0,\)"):
        stays_above(torch.ones(0))
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        stays_above(torch.ones(5), epochs=0)
    with pytest.raises(ValueError, match=r"got shapes \(5,\) and \(4,\)"):
        grokking_gap(torch.ones(5), torch.ones(4))


def test_seen_items_are_those_of_the_training_set(rng: np.random.Generator) -> None:
    x_train, x_test = rng.integers(0, 9, (60, 2)), rng.integers(0, 9, (50, 2))
    hits = rng.random((4, 50)) < 0.5
    leak = seen_and_unseen(torch.tensor(hits), torch.tensor(x_test), torch.tensor(x_train))
    known = np.array([tuple(x) in {tuple(row) for row in x_train} for x in x_test])
    np.testing.assert_allclose(leak.seen, hits[:, known].mean(1))
    np.testing.assert_allclose(leak.unseen, hits[:, ~known].mean(1))
    assert leak.share == pytest.approx(known.mean())


def test_a_memoriser_knows_what_it_has_seen_and_no_more() -> None:
    """Modular addition as released: the leak is 1 - (1 - 1/961)^800 on average."""
    shares = []
    for _ in range(20):
        items = torch.randint(31, (1000, 2))
        known = {tuple(row) for row in items[:800].tolist()}
        hits = torch.tensor([tuple(row) in known for row in items[800:].tolist()])
        leak = seen_and_unseen(hits, items[800:], items[:800])
        assert (float(leak.seen), float(leak.unseen)) == (1, 0)
        assert leak.share == pytest.approx(float(hits.double().mean()))
        shares.append(leak.share)
    assert np.mean(shares) == pytest.approx(1 - (1 - 1 / 961) ** 800, abs=0.03)


def test_an_empty_group_has_no_accuracy() -> None:
    x = torch.tensor([[0, 1], [2, 3]])
    leak = seen_and_unseen(torch.tensor([True, False]), x, x.flip(1))
    assert leak.seen.isnan()  # (1, 0) is not (0, 1)
    assert (float(leak.unseen), leak.share) == (0.5, 0)
    assert seen_and_unseen(torch.tensor([True, False]), x, x).unseen.isnan()


@pytest.mark.parametrize(
    ("hits", "test", "train"),
    [((3,), (2, 2), (4, 2)), ((2,), (2, 2), (4, 3)), ((2,), (2,), (4, 2)), ((0,), (0, 2), (4, 2))],
)
def test_hits_and_items_fit(hits: tuple[int], test: tuple[int], train: tuple[int]) -> None:
    with pytest.raises(ValueError, match=r"expected hits \(\.\.\., N\), test items \(N, k\)"):
        seen_and_unseen(torch.ones(hits), torch.ones(test), torch.ones(train))


# --- cosets ------------------------------------------------------------------------------------

KLEIN = tuple(PLACE[g] for g in [(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)])


def test_products_compose_permutations() -> None:
    letters = np.array(list("abcd"))
    for g in range(24):
        for h in range(24):
            # indexing by a composition is indexing twice
            twice = letters[list(PERMUTATIONS[g])][list(PERMUTATIONS[h])]
            assert (letters[list(PERMUTATIONS[PRODUCT[g][h]])] == twice).all()


def test_the_subgroups_are_thirty() -> None:
    by_order = {1: 1, 2: 9, 3: 4, 4: 7, 6: 4, 8: 3, 12: 1, 24: 1}
    assert Counter(map(len, subgroups())) == by_order
    assert sum(by_order.values()) == len(set(subgroups())) == 30
    for group in subgroups():  # in a finite group, closed and not empty is enough
        assert {PRODUCT[g][h] for g in group for h in group} == set(group)


def test_the_dihedral_subgroups_have_eight_elements() -> None:
    """The released table lists one of them without 3412."""
    (with_it,) = [group for group in subgroups() if len(group) == 8 and PLACE[1, 3, 0, 2] in group]
    assert PLACE[2, 3, 0, 1] in with_it


def test_the_cosets_of_the_klein_group() -> None:
    left = cosets(KLEIN, "left")
    assert torch.equal(left, cosets(KLEIN, "right"))  # it is normal
    assert left.bincount().tolist() == [4] * 6
    # each holds one permutation that leaves 3 in its place, and these six come first
    fixed = [PLACE[g] for g in PERMUTATIONS if g[3] == 3]
    assert sorted(left[fixed].tolist()) == list(range(6))
    assert left[list(KLEIN)].tolist() == [0] * 4


def test_the_two_sides_of_a_subgroup_that_is_not_normal() -> None:
    swap = (0, PLACE[0, 1, 3, 2])  # exchanges 2 and 3
    left, right = cosets(swap, "left"), cosets(swap, "right")
    # g∘h exchanges the last two places of the word of g, h∘g its letters 2 and 3
    g = PLACE[2, 0, 1, 3]
    assert left[g] == left[PLACE[2, 0, 3, 1]]
    assert right[g] == right[PLACE[3, 0, 1, 2]]
    assert left[g] != left[PLACE[3, 0, 1, 2]]


def test_fifty_six_partitions_of_which_two_are_there_twice() -> None:
    assert len(partitions()) == 56
    assert len({tuple(labels.tolist()) for labels in partitions().values()}) == 54


def test_a_set_that_is_no_subgroup_has_no_cosets() -> None:
    with pytest.raises(ValueError, match=r"not a subgroup of S_4"):
        cosets((0, 3), "left")
    with pytest.raises(ValueError, match="unknown side 'middle'"):
        cosets(KLEIN, "middle")


def planted(group: tuple[int, ...], side: str, noise: float = 0.1) -> Tensor:
    """Each coset somewhere at random, its members around it."""
    labels = cosets(group, side)
    return torch.randn(24, 16)[labels] + noise * torch.randn(24, 16)


def test_noise_fits_no_cosets() -> None:
    ps = [best_coset_partition(torch.randn(24, 16), seed, 199).p_value for seed in range(60)]
    assert np.mean(np.array(ps) <= 0.1) < 0.25
    assert np.mean(ps) == pytest.approx(0.5, abs=0.12)  # a p-value of chance is uniform


ONE_OF_EACH_ORDER = [
    next(key for key in partitions() if key[1] == side and len(key[0]) == order)
    for order, side in [(2, "right"), (3, "left"), (4, "left"), (6, "right"), (8, "left")]
]


@pytest.mark.parametrize("key", [(KLEIN, "left"), *ONE_OF_EACH_ORDER])
def test_planted_cosets_are_found(key: tuple[tuple[int, ...], str]) -> None:
    table = planted(*key)
    best = best_coset_partition(table, seed=0)
    assert (best.subgroup, best.side) == key
    assert best.p_value == 1 / 1000
    assert best.share == pytest.approx(coset_scatter(table)[key])
    assert best.share < 0.05


def test_cosets_without_noise_are_not_split_further() -> None:
    best = best_coset_partition(planted(KLEIN, "left", noise=0), seed=0)
    assert (best.subgroup, best.side, best.p_value) == (KLEIN, "left", 0.001)
    assert best.share == pytest.approx(0, abs=1e-12)


def test_the_best_partition_has_the_largest_variance_ratio_of_scikit_learn() -> None:
    table = torch.randn(24, 5)
    ratios = {
        key: calinski_harabasz_score(table.numpy(), labels.numpy())
        for key, labels in partitions().items()
    }
    best = best_coset_partition(table, seed=0, draws=9)
    assert (best.subgroup, best.side) == max(ratios, key=lambda key: ratios[key])


def test_the_shares_of_all_partitions_are_given() -> None:
    table = planted(KLEIN, "left")
    shares = coset_scatter(table)
    assert list(shares) == list(partitions())
    assert shares[KLEIN, "left"] == shares[KLEIN, "right"]
    assert shares[KLEIN, "left"] == within_variance_share(table, cosets(KLEIN, "left"))


def test_the_draws_depend_on_the_seed_alone() -> None:
    table = torch.randn(24, 16)
    first = best_coset_partition(table, seed=3)
    torch.manual_seed(99)
    assert best_coset_partition(table, seed=3) == first


def test_a_table_of_permutations_has_24_rows() -> None:
    for measure in (coset_scatter, lambda table: best_coset_partition(table, 0)):
        with pytest.raises(ValueError, match=r"\(24, D\) table, a row a permutation, got \(23, 4"):
            measure(torch.randn(23, 4))
    with pytest.raises(ValueError, match="all 24 rows are equal"):
        best_coset_partition(torch.full((24, 4), 0.1), 0)
    with pytest.raises(ValueError, match="draws must be a positive integer, got 0"):
        best_coset_partition(torch.randn(24, 4), 0, draws=0)
