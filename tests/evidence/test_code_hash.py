"""The code hash: it covers the code behind an experiment, and not what is said about it."""

from __future__ import annotations

import pytest

from harmonic_lib.evidence.code_hash import behind, code_hash
from harmonic_lib.experiments import distance_sweep

CODE = "x = f(1)\n"
LIBRARY = {
    "harmonic_lib.part": "import os\nfrom harmonic_lib.other import name\n",
    "harmonic_lib.other": "def late():\n    from harmonic_lib import tools, evidence\n",
    "harmonic_lib.tools": "from harmonic_lib.tools.inner import name\nimport harmonic_lib.part\n",
    "harmonic_lib.tools.inner": "",
    "harmonic_lib.evidence": "from harmonic_lib.evidence.store import name\n",
    "harmonic_lib.evidence.store": "import harmonic_lib.beside",
    "harmonic_lib.beside": "",
}
NOT_BEHIND = ("harmonic_lib.evidence", "harmonic_lib.evidence.store", "harmonic_lib.beside")


def test_the_code_behind_a_module_is_what_it_imports_directly_or_not() -> None:
    names = {"part", "other", "tools", "tools.inner"}
    assert set(behind("harmonic_lib.part", None, LIBRARY.get)) == {
        f"harmonic_lib.{n}" for n in names
    }
    assert set(behind("harmonic_lib.other", None, LIBRARY.get)) == {
        f"harmonic_lib.{n}" for n in names
    }
    assert set(behind("harmonic_lib.beside", None, LIBRARY.get)) == {"harmonic_lib.beside"}


@pytest.mark.parametrize("name", LIBRARY)
def test_the_hash_changes_with_the_code_behind_it_alone(name: str) -> None:
    other = LIBRARY | {name: LIBRARY[name] + "\nvalue = 1\n"}
    ours, theirs = (
        code_hash("harmonic_lib.part", None, library.get) for library in (LIBRARY, other)
    )
    assert (ours == theirs) == (name in NOT_BEHIND)


FAMILIES = {
    "harmonic_lib.part": "from harmonic_lib.distances import distance\n",
    "harmonic_lib.distances": "".join(
        f"from harmonic_lib.distances.{name} import name\n"
        for name in ("euclidean", "cosine", "canberra", "tools")
    ),
    "harmonic_lib.distances.euclidean": "",
    "harmonic_lib.distances.cosine": "from harmonic_lib.distances.euclidean import name\n",
    "harmonic_lib.distances.canberra": "",
    "harmonic_lib.distances.tools": "",
}


@pytest.mark.parametrize(
    ("distance", "used"),
    [(None, ()), ("canberra", ("canberra",)), ("cosine", ("cosine", "euclidean"))],
)
def test_of_the_families_of_distances_those_count_that_are_used(
    distance: str | None, used: tuple[str, ...]
) -> None:
    found = behind("harmonic_lib.part", distance, FAMILIES.get)
    always = {"harmonic_lib.part", "harmonic_lib.distances", "harmonic_lib.distances.tools"}
    assert set(found) == always | {f"harmonic_lib.distances.{name}" for name in used}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("# said\nx = f(1)  # why\n", True),
        ("x = f(\n    1\n)\n", True),
        ('"""What it is."""\n\nx = f(1)\n', True),
        ("x = f(2)\n", False),
        ("if x:\n    x = f(1)\n", False),
    ],
)
def test_the_hash_is_of_what_is_done_not_of_what_is_said(text: str, same: bool) -> None:
    library = ({"harmonic_lib.part": each} for each in (text, CODE))
    hashes = {code_hash("harmonic_lib.part", None, each.get) for each in library}
    assert len(hashes) == (1 if same else 2)


def test_no_module_no_hash() -> None:
    with pytest.raises(ValueError, match="the library has no module"):
        code_hash("harmonic_lib.nothing", None)


def test_the_code_behind_an_experiment_is_what_trains_and_measures_it() -> None:
    names = {name.removeprefix("harmonic_lib.") for name in behind(distance_sweep.__name__, None)}
    assert names >= {"experiments.distance_sweep", "training", "head", "distances.engine"}
    assert not any(name.startswith(("book", "figures", "cli", "evidence")) for name in names)
