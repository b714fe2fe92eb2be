"""A tiny experiment for the tests of sweeps, and ``harmonic`` with it registered."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harmonic_lib import cli
from harmonic_lib.evidence.measurement import Measurement
from harmonic_lib.evidence.record import Record, config_hash
from harmonic_lib.experiments import registry

NAME = "tiny"
MODULE = "harmonic_lib.experiments.distance_sweep"
"""Its code is that of another."""
SEEDS = {"smoke": (0, 1)}


@dataclass(frozen=True)
class Config:
    """mood: "well", "raises", "dies" (the process), or one whose measurements make no record:
    "mistaken" (an unknown claim), "infinite" (a metric)."""

    number: int
    mood: str = "well"
    seconds: float = 0.0
    distance: None = None


def configs(profile: str) -> list[Config]:
    """``TINY``: "seconds number mood mood ...": how long a run takes, and the last ones' moods."""
    seconds, number, *moods = os.environ.get("TINY", "0 6").split()
    well = [Config(i, seconds=float(seconds)) for i in range(int(number))]
    return well[:1] + [Config(i, mood) for i, mood in enumerate(moods)] + well[1:]


def run(
    config: Config,
    seeds: Sequence[int],
    root: Path | None = None,
    checkpoint: Path | None = None,
) -> list[Measurement]:
    """Keeps its state before it works, and goes on at once where it finds one."""
    if checkpoint is None or not checkpoint.exists():
        if checkpoint is not None:
            checkpoint.write_text("half way")
        time.sleep(config.seconds)
    if config.mood == "dies":
        os._exit(3)
    if config.mood == "raises":
        raise RuntimeError(f"number {config.number} is in no mood")
    much = math.inf if config.mood == "infinite" else 2.0
    return [
        Measurement(
            seed=seed,
            metrics={"root": math.sqrt(much + config.number + seed), "never": math.nan},
            data={},
            duration_s=config.seconds,
        )
        for seed in seeds
    ]


def claim_of(config: Config) -> str:
    return "nobody's" if config.mood == "mistaken" else ""


EXPERIMENT: Any = SimpleNamespace(
    __name__=MODULE, NAME=NAME, SEEDS=SEEDS, configs=configs, claim_of=claim_of, run=run
)
#: what makes the registry find it, and import it
ENTRIES: list[tuple[dict[str, Any], str, Any]] = [
    (registry.MODULES, NAME, "tiny_experiment"),
    (sys.modules, "tiny_experiment", EXPERIMENT),
]


def harmonic_run(path: Path, *words: str) -> int:
    """``harmonic run tiny`` in this process."""
    command = ["run", NAME, "--profile", "smoke", "--results", str(path.parent), *words]
    return cli.main(command)


def outcome(found: list[Record]) -> list[tuple[str, int, str]]:
    """What does not depend on when and where, in one order."""
    return sorted((r.config_hash, r.seed, repr(r.metrics)) for r in found)


def expected(seeds: tuple[int, ...] = (0, 1)) -> list[tuple[str, int, str]]:
    """The same of all runs with these seeds."""
    return sorted(
        (config_hash(asdict(config)), each.seed, repr(each.metrics))
        for config in configs("smoke")
        for each in run(config, seeds)
    )


def harmonic(setting: str, stderr: str, *words: str) -> None:
    """The command with ``TINY=setting``: what a process started for it does."""
    os.environ["TINY"] = setting
    for table, key, value in ENTRIES:
        table[key] = value
    with (
        Path(os.devnull).open("w") as nowhere,
        Path(stderr).open("w") as errors,
        redirect_stdout(nowhere),
        redirect_stderr(errors),
    ):
        status = cli.main(words)
    sys.exit(status)


def harmonic_on_a_full_disk(*words: str) -> None:
    """The same where the system refuses what would make a file larger than 4,000 bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
    harmonic(*words)
