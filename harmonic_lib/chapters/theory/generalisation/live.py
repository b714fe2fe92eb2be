"""Do generalisation bounds say anything about trained heads? Digits, Euclidean, many exponents.

The protocol is that of the exponents in ``pixel_classifiers``: one layer from the pixels,
AdamW with learning rate 5e-3 and weight decay 0.01, batches of 128. One head is trained on
labels that were shuffled; what it learns about them is worth nothing on new images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import torch
from torch import Tensor

from harmonic_lib.chapters.theory.generalisation.bounds import (
    Bound,
    clouds,
    error,
    held_out_bound,
    metric_bound,
    reported_term,
    squared_bound,
)
from harmonic_lib.checks import check_name
from harmonic_lib.data import load
from harmonic_lib.device import default_device
from harmonic_lib.experiments.pixel_classifiers import Config, build
from harmonic_lib.measure import class_means, prototypes
from harmonic_lib.measure.margins import distance_margin, log_ratio_margin
from harmonic_lib.training import fit

#: profile -> (data set, whether complete, exponents on the distance, epochs, seeds)
SETTINGS: dict[str, tuple[str, bool, tuple[float, ...], int, tuple[int, ...]]] = {
    "smoke": ("digits", True, (2.0, 16.0), 2, (0, 1, 2)),
    "quick": ("digits", True, (1.0, 4.0, 16.0, 64.0), 20, (0, 1, 2)),
    "full": ("mnist", True, (1.0, 4.0, 16.0, 64.0, 256.0), 10, (0, 1, 2)),
}
SHUFFLED = 16.0  # the exponent of the head on shuffled labels
SIZES = {
    "smoke": (100, 1_000),
    "quick": (100, 1_000, 10_000, 100_000),
    "full": (100, 1_000, 10_000, 100_000),
}


@dataclass(frozen=True)
class Judged:
    """One classifier, its bounds by its training sample, and its errors.

    distance, log_ratio: (N,) its margins on the training sample.
    held_out: the bound by the test set, which had no part in the training.
    reported: the first term of the reported bound; inf where a training point is not right.
    """

    name: str
    seed: int
    weight: Tensor
    distance: Tensor
    log_ratio: Tensor
    metric: Bound
    squared: Bound
    held_out: float
    reported: float
    train_error: float
    test_error: float


#: the columns of the chapter's table, each a number of one classifier
ERRORS: tuple[Callable[[Judged], float], ...] = (
    lambda run: run.train_error,
    lambda run: run.test_error,
    lambda run: run.held_out,
)
BOUNDS: tuple[Callable[[Judged], float], ...] = (
    lambda run: run.metric.value,
    lambda run: run.squared.value,
)


def heads(profile: str, seed: int = 0) -> dict[str, list[Judged]]:
    """The class means, and a head a seed for each exponent and for shuffled labels.

    seed: added to every seed of the profile.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SETTINGS)
    dataset, complete, exponents, epochs, seeds = SETTINGS[profile]
    seeds = tuple(seed + s for s in seeds)
    train, test = (load(dataset, part, complete=complete) for part in ("train", "test"))
    x, x_test = train.images.flatten(1), test.images.flatten(1)
    fixed = x_test, test.labels
    generator = torch.Generator().manual_seed(seed)
    shuffled = train.labels[torch.randperm(len(x), generator=generator)]
    means = class_means(x, train.labels, len(train.classes))
    found = {"class means": [judge("class means", 0, means, x, train.labels, *fixed)]}
    plans = [(f"n = {n:g}", n, train.labels) for n in exponents]
    for name, n, y in [*plans, (f"n = {SHUFFLED:g}, shuffled", SHUFFLED, shuffled)]:
        weights = train_heads(dataset, n, epochs, seeds, x, y, len(train.classes))
        found[name] = [judge(name, s, w, x, y, *fixed) for s, w in zip(seeds, weights, strict=True)]
    return found


def true_labels(heads: Mapping[str, list[Judged]]) -> dict[str, list[Judged]]:
    """All rows but those on shuffled labels."""
    return {name: runs for name, runs in heads.items() if "shuffled" not in name}


def average(runs: Sequence[Judged], of: Callable[[Judged], float]) -> float:
    """The mean of something over the seeds of one head."""
    return fmean(of(run) for run in runs)


def same_order(heads: Mapping[str, list[Judged]]) -> tuple[int, int]:
    """How many pairs of rows test error and metric bound order alike, and how many there are."""
    errors = [average(runs, lambda run: run.test_error) for runs in heads.values()]
    limits = [average(runs, lambda run: run.metric.value) for runs in heads.values()]
    pairs = list(combinations(zip(errors, limits, strict=True), 2))
    return sum((a[0] - b[0]) * (a[1] - b[1]) > 0 for a, b in pairs), len(pairs)


def describe(profile: str) -> str:
    """One phrase for the data that the heads of a profile are trained on."""
    check_name("profile", profile, SETTINGS)
    dataset, complete, *_ = SETTINGS[profile]
    return load(dataset, "train", complete=complete).describe()


def train_heads(
    dataset: str,
    exponent: float,
    epochs: int,
    seeds: Sequence[int],
    x: Tensor,
    y: Tensor,
    num_classes: int,
) -> list[Tensor]:
    """The (K, D) prototypes of one Euclidean head a seed, trained as one computation."""
    config = Config(dataset, True, "euclidean", exponent, epochs, batch_size=128, lr=5e-3)
    device = default_device()
    x, y = x.to(device), y.to(device)
    models = [build(config, x.shape[1], num_classes, seed).to(device) for seed in seeds]
    fit(models, seeds, x, y, epochs=epochs, batch_size=config.batch_size, lr=config.lr)
    return [prototypes(model).cpu() for model in models]


def judge(
    name: str, seed: int, w: Tensor, x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor
) -> Judged:
    """Everything about one set of prototypes for inputs in the unit cube.

    The centre is that of the cube and the radius half its diagonal: both known before the data.
    """
    centre = torch.full((x.shape[1],), 0.5, dtype=torch.float64)
    sets = x.double(), y, x_test.double(), y_test
    return judged(name, seed, w.double(), *sets, centre, math.sqrt(x.shape[1]) / 2)


def judged(
    name: str,
    seed: int,
    w: Tensor,
    x: Tensor,
    y: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    centre: Tensor,
    radius: float,
) -> Judged:
    """Everything about one set of prototypes, with the centre and the radius of the bounds."""
    dist = torch.cdist(x, w)
    return Judged(
        name=name,
        seed=seed,
        weight=w,
        distance=distance_margin(dist, y),
        log_ratio=log_ratio_margin(dist, y),
        metric=metric_bound(x, y, w, centre, radius),
        squared=squared_bound(x, y, w, centre, radius),
        held_out=held_out_bound(x_test, y_test, w),
        reported=reported_term(x, y, w),
        train_error=error(x, y, w),
        test_error=error(x_test, y_test, w),
    )


def growing_samples(profile: str, seed: int = 0) -> list[tuple[int, Judged]]:
    """Nearest class mean on three clouds in the plane, for samples of growing size.

    Centre 0 and radius 2 are fixed beforehand; the test error is that of 100,000 new points.

    Raises:
        ValueError: an unknown profile.
    """
    check_name("profile", profile, SIZES)
    generator = torch.Generator().manual_seed(seed)
    fixed = *clouds(100_000, generator), torch.zeros(2, dtype=torch.float64), 2.0
    found = []
    for size in SIZES[profile]:
        x, y = clouds(size, generator)
        found.append((size, judged("class means", seed, class_means(x, y, 3), x, y, *fixed)))
    return found
