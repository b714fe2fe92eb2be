"""The package as a whole: what it offers, what it needs, where its data are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from folders import ROOT
from myst_nb.ext.glue import GLUE_PREFIX

import harmonic_lib as hl
from harmonic_lib import notebook, paths
from harmonic_lib.checks import unknown_name
from harmonic_lib.torchvision_import import importable

EXTRAS = ["sklearn", "torchvision", "matplotlib", "scipy", "papermill", "IPython"]
EXTRAS += ["sphinx", "myst_nb", "rich", "bs4"]


def test_the_core_needs_torch_alone() -> None:
    code = "import sys, harmonic_lib; print(*{name.split('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not set(EXTRAS) & set(loaded)


def test_the_code_of_the_readme_runs_as_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    importable()  # torchvision, beside a torch that it was not built for
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pasted: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(block, pasted)
    assert pasted["accuracy"] > 0.9
    assert isinstance(pasted["model"].harmonic_head, hl.HarmonicHead)
    assert pasted["d"](torch.randn(2, 512), torch.randn(3, 512)).shape == (2, 3)


def test_every_public_name_exists() -> None:
    assert all(getattr(hl, name) is not None for name in hl.__all__)
    assert sorted(hl.__all__) == hl.__all__


def test_another_name_does_not() -> None:
    with pytest.raises(AttributeError, match="module 'harmonic_lib' has no attribute 'nonsense'"):
        _ = hl.nonsense


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tset", "unknown split 'tset'; did you mean 'test'? (valid: train, test)"),
        ("TEST", "unknown split 'TEST'; did you mean 'test'? (valid: train, test)"),
        ("xyz", "unknown split 'xyz' (valid: train, test)"),
        (None, "unknown split None (valid: train, test)"),
    ],
)
def test_the_message_for_an_unknown_name(name: object, message: str) -> None:
    assert unknown_name("split", name, ["train", "test"]) == message


def test_the_data_of_a_checkout_lie_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "harmonic_lib")
    (tmp_path / "data" / "samples").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "data"


def test_the_data_of_an_installation_lie_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "harmonic_lib")
    (tmp_path / "data" / "samples").mkdir(parents=True)  # somebody else's
    (tmp_path / "harmonic_lib" / "_data" / "samples").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "harmonic_lib" / "_data"


def test_an_installation_without_data_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "harmonic_lib")
    with pytest.raises(FileNotFoundError) as raised:
        paths.data_dir()
    assert str(tmp_path / "data") in str(raised.value)
    assert "install harmonic-lib from its repository" in str(raised.value)


def test_glue_writes_what_myst_nb_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(
        notebook, "display", lambda bundle, raw, metadata: shown.append((bundle, raw, metadata))
    )
    notebook.glue(accuracy=0.5)
    (((bundle, raw, metadata)),) = shown
    assert bundle == {f"{GLUE_PREFIX}text/plain": "'0.5'"}
    assert raw
    assert metadata["scrapbook"] == {"name": "accuracy", "mime_prefix": GLUE_PREFIX}
