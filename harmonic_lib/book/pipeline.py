"""The whole way, from chapters to checked pages."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from nbformat import NotebookNode
from rich.console import Console

from harmonic_lib.book import statistics, verdict_page
from harmonic_lib.book.chapters import Chapter, read_toc, select
from harmonic_lib.book.check import check_pages
from harmonic_lib.book.editions import EDITIONS, edition_of
from harmonic_lib.book.execute import Job, cores, run_all, unfinished_path
from harmonic_lib.book.folders import check_links, empty, files_below, make_folder, make_room
from harmonic_lib.book.notebook_folder import FOLDERS, PLACE, keep, write_notebooks
from harmonic_lib.book.notebooks import RenderedBook
from harmonic_lib.book.outcomes import (
    Outcome,
    chapter_key,
    data_digests,
    library_digest,
    load_outcome,
    outcome_path,
    read_notebook,
    tree_digest,
    write_whole,
)
from harmonic_lib.book.render import (
    claim_folder,
    html_of,
    jupyter_book,
    publish,
    rendering_key,
    write_sources,
)
from harmonic_lib.book.repository import commit_of
from harmonic_lib.book.run_times import read_times, run_times_path
from harmonic_lib.checks import check_name
from harmonic_lib.experiments.profiles import PROFILES
from harmonic_lib.paths import data_dir


def make(
    profile: str = "quick",
    chapters: Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    html: Path | None = None,
    root: Path | None = None,
    edition: str = "public",
    only_notebooks: bool = False,
) -> int:
    """Run what has changed, render the book, check its pages and put them in place.

    The notebooks go to ``_build/notebooks/student``, those of the instructor's edition to
    ``_build/notebooks/instructor``.

    Args:
        profile: "smoke", "quick" or "full".
        chapters: run only these; the book is rendered once all of them have run.
        jobs: how many chapters run side by side; None for one a core.
        force: run chapters again that have not changed.
        html: where the pages go; None for ``_build/html`` (``_build/instructor/html``).
        root: the book's folder; None for the current one.
        edition: "public", or "instructor", which has the solutions.
        only_notebooks: leave the pages in place as they are.

    Returns:
        The exit status: 0, or 1 where a chapter failed or a page is wrong (said on the console).

    Raises:
        ValueError: an unknown profile, edition or chapter, a bad number of jobs, a build that
            failed.
        OSError: something cannot be read or written.
    """
    check_name("profile", profile, PROFILES)
    check_name("edition", edition, EDITIONS)
    if jobs is not None and jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {jobs}")
    root = (root or Path.cwd()).resolve()
    build = root / "_build" / ("" if edition == "public" else edition)
    target = None if only_notebooks else html or build / "html"
    for folder in filter(None, (build, target)):
        check_links(folder)
    build, target = build.resolve(), target and target.resolve()
    book = read_toc(root)
    chosen = {chapter.name for chapter in select(book, chapters)}
    if target is not None:
        claim_folder(target, build)
    make_folder(build)
    try:
        with FileLock(build / ".lock", timeout=0):
            return make_alone(
                root, build, target, book, edition, profile, chosen, jobs or cores(), force
            )
    except Timeout:
        raise ValueError(f"another `harmonic book` is at work in {build}") from None


def make_alone(
    root: Path,
    build: Path,
    target: Path | None,
    book: list[Chapter],
    edition: str,
    profile: str,
    chosen: set[str],
    jobs: int,
    force: bool,
) -> int:
    """:func:`make`, with its options checked and the build folder to itself.

    target: where the pages go; None to leave them.
    """
    begun = time.perf_counter()
    console = Console(highlight=False, markup=False, soft_wrap=True)
    notebooks = {c.name: edition_of(read_notebook(c.path), edition) for c in book if c.runs}
    commit, uncommitted = commit_of(root)
    again = chosen if force else set()
    kept, todo = plan([c for c in book if c.runs], notebooks, build, profile, again, console)
    now = longest_first([job for job in todo if job.chapter.name in chosen])
    later = [job.chapter.name for job in todo if job.chapter.name not in chosen]
    prepare(build, now)
    workers = min(jobs, max(1, len(now)))
    console.print(f"{len(now)} chapters to run ({profile}), {len(kept)} kept, {workers} at a time")
    fresh, failures = run_all(now, build, workers, console) if now else ([], [])
    if failures:
        for failure in failures:
            console.print(f"failed {failure}", style="red")
        console.print("the book was not built; the other chapters' results are kept")
        return 1
    if later:
        console.print(f"not run in this profile yet: {', '.join(later)}; then the book is built")
        return 0

    found = {outcome.chapter.name: outcome for outcome in [*kept, *fresh]}
    outcomes = {chapter.name: found[chapter.name] for chapter in book if chapter.runs}
    lay_out(root, build, book, notebooks, outcomes)
    pages = html_of(build / "staging")
    rendered = RenderedBook(root, build / "source", pages, edition, commit)
    wrong, made = render(rendered, book, outcomes)
    if wrong:
        for line in wrong:
            console.print(f"wrong {line}", style="red")
        console.print(f"the pages were not published; they are in {pages}")
        return 1
    folder = root / "_build" / PLACE / FOLDERS[edition]
    keep(made, folder)
    what = f"commit {commit[:12]}" if commit else "the newest commit: this is no git checkout"
    without = ", without what is uncommitted" if uncommitted else ""
    console.print(f"{len(outcomes)} notebooks, which install {what}{without}: {folder}")
    if target is not None:
        publish(pages, target)
        console.print(f"{len(book)} pages built and checked in {time.perf_counter() - begun:.0f} s")
        console.print(str(target / "index.html"))
    return 0


def render(
    rendered: RenderedBook, book: Sequence[Chapter], outcomes: Mapping[str, Outcome]
) -> tuple[list[str], Path]:
    """Make pages where the kept ones are not those of these sources, and all notebooks.

    Returns:
        What is wrong with the pages, a line each, and the folder of the notebooks among them.
    """
    pages, staging = rendered.html, rendered.source.parent / "staging"
    stamp, key = staging / "key", rendering_key(rendered.source)
    if stamp.is_file() and stamp.read_bytes() == stamp_of(key, pages):
        return [], write_notebooks(rendered, list(outcomes.values()))
    jupyter_book(rendered.source, staging)
    made = write_notebooks(rendered, list(outcomes.values()))
    wrong = check_pages(pages, book, outcomes)
    if not wrong:
        write_whole(stamp, stamp_of(key, pages).decode())
    return wrong, made


def stamp_of(key: str, pages: Path) -> bytes:
    """What vouches that these pages were made with this key, and have not changed since.

    The notebooks among them are written in every build.
    """
    found = [p for p in files_below(pages) if not p.relative_to(pages).parts[0].startswith(PLACE)]
    return f"{key} {tree_digest(pages, sorted(found))}".encode()


def plan(
    chapters: Sequence[Chapter],
    notebooks: Mapping[str, NotebookNode],
    build: Path,
    profile: str,
    again: set[str],
    console: Console,
) -> tuple[list[Outcome], list[Job]]:
    """Which chapters' outcomes still stand, and which chapters have to run."""
    kept, todo = [], []
    for chapter in chapters:
        notebook = notebooks[chapter.name]
        data = data_digests(notebook, data_dir(), chapter.name)
        key = chapter_key(notebook, profile, library_digest(notebook), data)
        outcome = None
        if chapter.name not in again:
            try:
                outcome = load_outcome(build, chapter, profile, key)
            except ValueError as error:
                console.print(f"{error}; the chapter is run again")
        if outcome is None:
            todo.append(Job(chapter, notebook, profile, key))
        else:
            kept.append(outcome)
    return kept, todo


def prepare(build: Path, jobs: Sequence[Job]) -> None:
    """Make sure, before hours of work, that all of it can be written.

    Raises:
        OSError: something is in the way; the message names it.
    """
    for name in ("source", "staging", "settings"):
        make_folder(build / name)
    empty(build / "source")
    for job in jobs:
        make_room(outcome_path(build, job.chapter, job.profile))
        make_room(unfinished_path(build, job))


def longest_first(jobs: Sequence[Job]) -> list[Job]:
    """In the order of the kept run times, so that no long chapter runs last and alone.

    A chapter without one comes first: nobody knows how long it takes.
    """
    times = read_times(run_times_path())

    def seconds(job: Job) -> float:
        known = times.get((job.chapter.name, job.profile)) or times.get((job.chapter.name, "quick"))
        return known.seconds if known else math.inf

    return sorted(jobs, key=seconds, reverse=True)


def lay_out(
    root: Path,
    build: Path,
    book: list[Chapter],
    notebooks: Mapping[str, NotebookNode],
    outcomes: dict[str, Outcome],
) -> None:
    """Write what the pages are rendered from: the chapters' sources, and pages that are made."""
    written = {}
    for chapter in book:
        if chapter.name == statistics.PAGE:
            text = chapter.path.read_text(encoding="utf-8")
            written[chapter.name] = statistics.statistics_page(text, list(outcomes.values()))
        elif chapter.name == verdict_page.PAGE:
            text = chapter.path.read_text(encoding="utf-8")
            written[chapter.name] = verdict_page.verdict_page(text, root, book)
    write_sources(root, build / "source", book, notebooks, outcomes, written)
