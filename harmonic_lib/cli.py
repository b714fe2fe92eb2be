"""The ``harmonic`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harmonic_lib.experiments.profiles import PROFILES
from harmonic_lib.interrupts import as_ctrl_c


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says; the exit status."""
    options = parser().parse_args(argv)
    try:
        with as_ctrl_c():
            status = int(options.do(options))
            sys.stdout.flush()  # a reader that has gone is noticed here
        return status
    except KeyboardInterrupt as stopped:
        print(f"harmonic {options.command}: interrupted {stopped}".rstrip(), file=sys.stderr)
        return 130
    except BrokenPipeError:  # `harmonic report | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        print(
            f"harmonic {options.command}: {error}; install the extras: "
            'pip install "harmonic-lib[book]"',
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError) as error:
        print(f"harmonic {options.command}: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="harmonic", description="Harmonic loss: book and experiments"
    )
    commands = top.add_subparsers(dest="command", required=True)

    book = commands.add_parser("book", help="run the chapters, build the book, check its pages")
    book_options(book)
    book.add_argument("--html", type=Path, metavar="DIR", help="where the pages go (_build/html)")
    book.set_defaults(do=make_book, only_notebooks=False)

    notebooks = commands.add_parser("notebooks", help="make the notebooks alone")
    book_options(notebooks)
    notebooks.set_defaults(do=make_book, only_notebooks=True, html=None)

    run = commands.add_parser("run", help="run an experiment and record its outcome")
    run.add_argument("experiment", help="its name, such as pixel_classifiers")
    run.add_argument("--profile", default="quick", help=f"{', '.join(PROFILES)} (default: quick)")
    run.add_argument(
        "--seeds",
        nargs="+",
        type=seeds,
        metavar="SEED",
        help="such as 0 1 2 or 0-19 (default: the profile's)",
    )
    run.add_argument(
        "--where",
        nargs="+",
        type=field,
        metavar="FIELD=VALUE",
        help="only the configurations with these values, such as model=transformer",
    )
    run.add_argument("--jobs", type=int, default=1, help="runs side by side (default: 1)")
    run.add_argument("--backend", default="loky", help="loky or dask (default: loky)")
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster (default: one on this machine)",
    )
    run.add_argument(
        "--energy", action="store_true", help="measure or estimate the electricity, too"
    )
    run.add_argument("--root", type=Path, metavar="DIR", help="where the complete data sets are")
    run.add_argument(
        "--results", type=Path, metavar="DIR", help="where records go (at full: data/results)"
    )
    run.set_defaults(do=run_experiment)

    report = commands.add_parser("report", help="the reported numbers beside ours, with verdicts")
    report.add_argument("--experiment", metavar="NAME", help="only this one (default: all)")
    report.add_argument("--format", default="text", help="text or markdown (default: text)")
    report.set_defaults(do=print_report)
    return top


def book_options(command: argparse.ArgumentParser) -> None:
    """The options of what runs chapters."""
    command.add_argument(
        "--profile", default="quick", help=f"{', '.join(PROFILES)} (default: quick)"
    )
    command.add_argument("--chapters", nargs="+", metavar="NAME", help="run only these chapters")
    command.add_argument("--jobs", type=int, help="chapters side by side (default: one a core)")
    command.add_argument(
        "--force", action="store_true", help="run chapters that have not changed, too"
    )
    command.add_argument(
        "--edition", default="public", help="public, or instructor: with the solutions"
    )


def make_book(options: argparse.Namespace) -> int:
    """``harmonic book`` and ``harmonic notebooks``."""
    from harmonic_lib.book.pipeline import make

    return make(
        profile=options.profile,
        chapters=options.chapters,
        jobs=options.jobs,
        force=options.force,
        html=options.html,
        edition=options.edition,
        only_notebooks=options.only_notebooks,
    )


def seeds(text: str) -> range:
    """The seeds that "3" or "0-19" means.

    >>> list(seeds("3")), list(seeds("0-3"))
    ([3], [0, 1, 2, 3])
    """
    first, _, last = text.partition("-")
    if not all(part.isdecimal() for part in (first, last or first)):
        raise argparse.ArgumentTypeError(f"expected seeds such as 3 or 0-19, got {text!r}")
    found = range(int(first), int(last or first) + 1)
    if not found:
        raise argparse.ArgumentTypeError(f"expected the smaller seed first, got {text!r}")
    return found


def field(text: str) -> tuple[str, str]:
    """Name and value of "model=mlp".

    >>> field("model=mlp")
    ('model', 'mlp')
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected FIELD=VALUE, got {text!r}")
    return name, value


def run_experiment(options: argparse.Namespace) -> int:
    """``harmonic run``: add the records that are missing."""
    from harmonic_lib.checks import check_name
    from harmonic_lib.experiments import registry
    from harmonic_lib.paths import data_dir
    from harmonic_lib.sweeps import sweep

    experiment = registry.by_name(options.experiment)
    check_name("profile", options.profile, experiment.SEEDS)
    where = dict(options.where or ())
    if len(where) < len(options.where or ()):
        raise ValueError("--where has a field twice: a run has one value of each")
    if options.results is None and options.profile != "full":
        raise ValueError("data/results holds full runs alone: give another folder with --results")
    path = (options.results or data_dir() / "results") / f"{options.experiment}.jsonl"
    try:
        outcome = sweep(
            experiment,
            options.profile,
            path,
            seeds=options.seeds and [seed for some in options.seeds for seed in some],
            where=where,
            jobs=options.jobs,
            backend=options.backend,
            scheduler=options.scheduler,
            root=options.root and options.root.resolve(),
            energy=options.energy,
        )
    except KeyboardInterrupt:
        print(f"harmonic run: interrupted; what was recorded stays in {path}", file=sys.stderr)
        return 130
    print(f"{path}: {outcome.recorded} runs recorded, {outcome.there} were there")
    for result in outcome.failed:
        print(f"harmonic run: failed: {result.task}: {result.reason}", file=sys.stderr)
    return 1 if outcome.failed else 0


def print_report(options: argparse.Namespace) -> int:
    """``harmonic report``."""
    from harmonic_lib.verdicts.report import compared, report

    print(report(compared(options.experiment), options.format))
    return 0
