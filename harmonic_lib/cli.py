"""The ``harmonic`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harmonic_lib.experiments.profiles import PROFILES


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says; the exit status."""
    options = parser().parse_args(argv)
    try:
        return int(options.do(options))
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
    book.add_argument("--profile", default="quick", help=f"{', '.join(PROFILES)} (default: quick)")
    book.add_argument("--chapters", nargs="+", metavar="NAME", help="run only these chapters")
    book.add_argument("--jobs", type=int, help="chapters side by side (default: one a core)")
    book.add_argument(
        "--force", action="store_true", help="run chapters that have not changed, too"
    )
    book.add_argument("--html", type=Path, metavar="DIR", help="where the pages go (_build/html)")
    book.add_argument(
        "--edition", default="public", help="public, or instructor: with the solutions"
    )
    book.set_defaults(do=make_book)

    run = commands.add_parser("run", help="run an experiment and record its outcome")
    run.add_argument("experiment", help="its name, such as pixel_classifiers")
    run.add_argument("--profile", default="quick", help=f"{', '.join(PROFILES)} (default: quick)")
    run.add_argument("--root", type=Path, metavar="DIR", help="where the complete data sets are")
    run.add_argument(
        "--results", type=Path, metavar="DIR", help="where records go (at full: data/results)"
    )
    run.set_defaults(do=run_experiment)
    return top


def make_book(options: argparse.Namespace) -> int:
    """``harmonic book``."""
    from harmonic_lib.book import make

    return make(
        profile=options.profile,
        chapters=options.chapters,
        jobs=options.jobs,
        force=options.force,
        html=options.html,
        edition=options.edition,
    )


def run_experiment(options: argparse.Namespace) -> int:
    """``harmonic run``: add the records that are missing."""
    from harmonic_lib import experiments, records
    from harmonic_lib.paths import data_dir

    run = experiments.by_name(options.experiment)
    if options.results is None and options.profile != "full":
        raise ValueError("data/results holds full runs alone: give another folder with --results")
    path = (options.results or data_dir() / "results") / f"{options.experiment}.jsonl"
    done = {(r.config_hash, r.seed) for r in records.read(path)} if path.exists() else set()
    for record in run(options.profile, options.root, done):
        records.append(path, record)
        print(
            record.config_hash,
            record.seed,
            record.metrics,
            f"{record.duration_s:.1f} s",
            flush=True,
        )
    return 0
