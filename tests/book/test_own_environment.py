"""A chapter runs in this interpreter and in an environment of its own, whatever the user has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from small_book import edit

from harmonic_lib.book.environment import own_environment, threads_wanted
from harmonic_lib.book.pipeline import make

SEEN = """import json, os, sys, torch
print(json.dumps({
    "python": sys.executable,
    "asserts": __debug__,
    "backend": os.environ["MPLBACKEND"],
    "startup": "leak" in globals(),
    "threads": torch.get_num_threads(),
    "warnings": sys.warnoptions,
}))"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose home cannot be written, with settings and a kernel of their own."""
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "leak.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("leak = print('a word of the user')")
    (startup.parent.parent / "ipython_config.py").write_text("c.InteractiveShell.xmode = 'Minimal'")
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["/no/other/python"], "display_name": "Python 3"}))
    (tmp_path / "matplotlibrc").write_text("no.such.setting: 1\n")
    for name, value in {
        "HOME": os.devnull,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "MATPLOTLIBRC": str(tmp_path),
        "MKL_NUM_THREADS": "7",
        "MPLBACKEND": "tkagg",
        "OMP_NUM_THREADS": " 1 ,2",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("quiet_build", "settings")
def test_the_users_settings_do_not_reach_a_chapter(book: Path) -> None:
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: SEEN)
    assert make(chapters=["sums"], jobs=2) == 0
    kept = nbformat.read(book / "_build" / "outcomes" / "quick" / "sums.ipynb", as_version=4)
    (output,) = next(cell for cell in kept.cells if cell.id == "cell-0").outputs
    assert json.loads(output.text) == {
        "python": sys.executable,
        "asserts": True,
        "backend": "module://matplotlib_inline.backend_inline",
        "startup": False,
        "threads": 1,
        "warnings": [],
    }
    assert kept.metadata.harmonic_run["versions"]["python"] == sys.version.split()[0]


@pytest.mark.usefixtures("settings")
def test_matplotlib_has_a_folder_that_it_can_write(tmp_path: Path) -> None:
    program = "import matplotlib; print(matplotlib.rcParamsDefault['backend'] and 'fine')"
    environment = own_environment(tmp_path / "settings")
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_a_relative_path_of_packages_means_the_same_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["library", str(tmp_path / "other")]))
    found = own_environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert found == [str(tmp_path / "library"), str(tmp_path / "other")]


@pytest.mark.parametrize(
    ("setting", "number"), [("", None), (" ", None), ("3", 3), (" 4 ", 4), ("2,1", 2), ("+2", 2)]
)
def test_threads_are_given_in_every_legal_spelling(setting: str, number: int | None) -> None:
    assert threads_wanted(setting) == number


@pytest.mark.parametrize("setting", ["0", "-1", "abc", "1.5", ",2", "1_0", "99999999999"])
def test_what_is_no_number_of_threads_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=f"OMP_NUM_THREADS={setting} is not a number of threads"):
        threads_wanted(setting)


@pytest.mark.usefixtures("quiet_build")
def test_a_number_of_threads_that_is_none_does_not_stop_the_build(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "abc")
    assert make(chapters=["sums"]) == 0
    assert "OMP_NUM_THREADS=abc is not a number of threads" in capsys.readouterr().out
