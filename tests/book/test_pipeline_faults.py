"""What a chapter can do wrong, and what can be wrong with what is kept: told, and not kept."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from small_book import edit

from harmonic_lib.book.long_outputs import cut
from harmonic_lib.book.pipeline import make

QUICK = Path("_build", "outcomes", "quick")


@pytest.mark.usefixtures("quiet_build")
def test_of_two_equal_cells_the_one_that_failed_is_named(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cell in ("cell-0", "cell-1"):
        again = "times = globals().get('times', 0) + 1; assert times < 2, 'a\\nlong\\nstory'"
        edit(book / "chapters" / "sums.ipynb", cell, lambda _, again=again: again)
    assert make(chapters=["sums"]) == 1
    (said,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("failed")]
    assert said.startswith("failed sums, code cell 3 (times = globals()")
    assert "AssertionError: a long story" in said


# --- kept outcomes --------------------------------------------------------------------------


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def without_facts(text: str) -> str:
    notebook = json.loads(text)
    del notebook["metadata"]["harmonic_run"]["device"]
    return json.dumps(notebook)


def without_times(text: str) -> str:
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["metadata"].pop("papermill", None)
    return json.dumps(notebook)


def with_a_fault(text: str) -> str:
    notebook = json.loads(text)
    notebook["cells"][-1]["outputs"] = []
    return json.dumps(notebook)


@pytest.mark.usefixtures("quiet_build")
def test_a_kept_outcome_that_is_none_is_told_and_made_again(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make() == 0
    kept = book / QUICK / "sums.ipynb"
    good = kept.read_text(encoding="utf-8")
    bad = {
        "empty": "",
        "null": "null",
        "truncated": truncated(good),
        "an older form": without_facts(good),
        "without times": without_times(good),
        "a figure is missing": with_a_fault(good),
    }
    for what, text in bad.items():
        kept.write_text(text, encoding="utf-8")
        capsys.readouterr()
        assert make(chapters=["intro"]) == 0, what  # not the one that is bad
        said = capsys.readouterr().out
        assert f"{kept} is not an outcome" in said, what
        assert "not run in this profile yet: sums" in said, what
    kept.write_bytes(b"\xff\xfe")
    assert make() == 0
    said = capsys.readouterr().out
    assert "1 chapters to run (quick), 1 kept" in said
    assert nbformat.read(kept, as_version=4).metadata.harmonic_run["profile"] == "quick"


@pytest.mark.usefixtures("quiet_build")
def test_a_bad_outcome_does_not_stop_a_forced_run(book: Path) -> None:
    (book / QUICK).mkdir(parents=True)
    (book / QUICK / "sums.ipynb").write_text("{")
    assert make(chapters=["sums"], force=True) == 0
    assert nbformat.read(book / QUICK / "sums.ipynb", as_version=4).cells


# --- long outputs ---------------------------------------------------------------------------


def shown(
    *outputs: nbformat.NotebookNode, limit: int = 10, line: int = 1000
) -> list[nbformat.NotebookNode]:
    """What is left of a cell's outputs."""
    notebook = new_notebook(cells=[new_code_cell("1", outputs=list(outputs))])
    cut(notebook, limit, line)
    found: list[nbformat.NotebookNode] = notebook.cells[0].outputs
    return found


def test_what_is_not_too_long_is_left_alone() -> None:
    outputs = [
        new_output("stream", name="stdout", text="12345\n"),
        new_output("stream", name="stderr", text="12345" * 10),
        new_output("display_data", data={"text/html": "<p>", "image/png": "A" * 100}),
    ]
    assert shown(*outputs) == outputs


def test_what_is_printed_is_cut_where_it_gets_too_long() -> None:
    pieces = [new_output("stream", name="stdout", text=f"{letter}\n" * 3000) for letter in "abc"]
    printed, note = shown(*pieces, limit=8000)
    assert printed.text == "a\n" * 3000 + "b\n" * 1000
    assert note.text == "\n[cut after 8 kB: the cell shows 18 kB]\n"


def test_a_line_that_is_too_long_is_cut_however_it_was_printed() -> None:
    pieces = [new_output("stream", name="stdout", text=text) for text in ("a\n12", "345", "67\nb")]
    (printed,) = shown(*pieces, limit=100, line=4)
    assert printed.text == "a\n1234 [cut: a line of 7 characters]\nb"


def test_markup_is_left_out_whole_and_pictures_stay() -> None:
    both = new_output("display_data", data={"text/html": "<p>" * 100, "image/png": "A" * 100})
    alone = new_output("display_data", data={"image/svg+xml": "<svg>" * 100})
    after = new_output("stream", name="stdout", text="12345")
    picture, text, note = shown(both, alone, after)
    assert picture.data == {"image/png": "A" * 100}
    assert text.text == "12345"
    assert "cut after" in note.text


def test_what_went_to_stderr_is_not_cut_it_is_a_fault() -> None:
    outputs = [new_output("stream", name=name, text="x" * 20) for name in ("stdout", "stderr")]
    assert [each.text for each in shown(*outputs)][:2] == ["x" * 10, "x" * 20]


@pytest.mark.usefixtures("quiet_build")
def test_a_cell_that_prints_megabytes_is_cut_and_kept(book: Path) -> None:
    many = "for i in range(40_000): print(i, 'x' * 100)"
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: many)
    assert make(chapters=["sums"]) == 0
    assert 1_000_000 < (book / QUICK / "sums.ipynb").stat().st_size < 1_200_000
    text = (book / QUICK / "sums.ipynb").read_text()
    assert "[cut after 1000 kB: the cell shows 4269 kB]" in text
