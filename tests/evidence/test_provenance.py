"""Where a record comes from: the checkout's commit, the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import fake_records
import pytest
import torch
from fake_records import changed

from harmonic_lib import device
from harmonic_lib.evidence.provenance import commit, provenance


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that ``commit`` takes for the library."""
    folder = tmp_path / "project" / "library"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("# the code")
    monkeypatch.setattr("harmonic_lib.evidence.provenance.PACKAGE", folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    commit.cache_clear()
    yield folder
    commit.cache_clear()


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit_all(package: Path) -> str:
    git(package.parent, "init")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-m", "all", "--no-verify", "--no-gpg-sign")
    return git(package.parent, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_checkout(package: Path) -> None:
    head = commit_all(package)
    assert commit() == head[:12]


def test_a_changed_library_is_marked(package: Path) -> None:
    head = commit_all(package)
    (package / "module.py").write_text("# other code")
    assert commit() == head[:12] + "+"


def test_outside_a_checkout_there_is_no_commit(package: Path) -> None:
    assert commit() == ""


def test_a_checkout_of_something_else_is_not_ours(package: Path) -> None:
    """As in ``project/.venv/lib/.../harmonic_lib``, which the project's git ignores."""
    (package.parent / ".gitignore").write_text("library/")
    commit_all(package)
    assert commit() == ""


def test_without_git_there_is_no_commit(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(package))
    assert commit() == ""


def test_provenance_describes_machine_and_checkout() -> None:
    where = provenance()
    assert where["versions"]["torch"] == torch.__version__
    assert where["device"]
    assert changed(fake_records.record({}, 0, {}), **where).commit == where["commit"]


@pytest.mark.parametrize(
    ("available", "kind", "name"), [(True, "cuda", "a GPU"), (False, "cpu", "CPU, 1 thread")]
)
def test_the_device_is_the_accelerator_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, available: bool, kind: str, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert device.default_device().type == kind
    assert device.device_name() == name
