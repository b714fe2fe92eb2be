"""The papers' protocols and ours: every configuration of the five tasks, and what it repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import harmonic_lib as hl
from harmonic_lib.checks import check_name

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


MODELS = ("mlp", "transformer")
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
        for model in ("mlp", "transformer"):
            for head in HEADS:
                claim = f"{name.replace('_', '-')}-{model}-{head}"
                known[as_released(name, head, model)] = claim
    return known
