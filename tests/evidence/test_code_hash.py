"""The code hash covers the definitions behind a run, and nothing else."""

from __future__ import annotations

import pytest

from harmonic_lib.evidence.code_hash import Library, code_hash, installed

LIBRARY = {
    "harmonic_lib.part": (
        "from harmonic_lib import tools\n"
        "from harmonic_lib.other import helper as h\n"
        "def run(name):\n"
        "    return h(name) + tools.deep.inner(KINDS[name])\n"
        "def beside():\n"
        "    return tools.unused()\n"
        "KINDS = {'first': tools.first, 'second': tools.second}\n"
    ),
    "harmonic_lib.other": (
        "def helper(x):\n"
        "    from harmonic_lib.late import late\n"
        "    from harmonic_lib.checks import check\n"
        "    check(x)\n"
        "    return late(x) * FACTOR\n"
        "FACTOR = 2\n"
        "REST = 3\n"
        "FACTOR += 1\n"
    ),
    "harmonic_lib.late": "def late(x):\n    return x\nregister(late)\n",
    "harmonic_lib.checks": "def check(x):\n    raise ValueError(x)\n",
    "harmonic_lib.tools": (
        "def first(): return 1\ndef second(): return 2\ndef unused(): return 3\n"
    ),
    "harmonic_lib.tools.deep": "def inner(x): return x()\n",
}


def hash_of(library: dict[str, str], unused: frozenset[str] = frozenset()) -> str:
    return code_hash("harmonic_lib.part", "run", unused, library.get)


def changed(old: str, new: str) -> dict[str, str]:
    """The library with a text replaced, which must be there."""
    assert any(old in text for text in LIBRARY.values())
    return {name: text.replace(old, new) for name, text in LIBRARY.items()}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return h(name)", "return 2 * h(name)"),  # the run itself
        ("return late(x) * FACTOR", "return late(x) / FACTOR"),  # what it imports
        ("return x\n", "return -x\n"),  # imported inside a function
        ("FACTOR = 2", "FACTOR = 4"),  # a constant
        ("FACTOR += 1", "FACTOR += 2"),  # bound twice
        ("register(late)", "register(None)"),  # an effect of the import
        ("return x()", "return x(), x()"),  # an attribute of an attribute of a module
        ("return 1", "return 11"),  # an entry of a registry
        ("'first': tools.first", "'first': tools.second"),  # which entry it is
    ],
)
def test_what_can_change_a_number_changes_the_hash(old: str, new: str) -> None:
    assert hash_of(changed(old, new)) != hash_of(LIBRARY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("REST = 3", "REST = 4"),
        ("return tools.unused()", "return None"),
        ("return 3", "return 33"),
        ("raise ValueError(x)", "raise ValueError(f'not {x}')"),
    ],
)
def test_what_cannot_does_not(old: str, new: str) -> None:
    assert hash_of(changed(old, new)) == hash_of(LIBRARY)


def test_words_to_the_reader_do_not_count() -> None:
    said = changed("    return h(name)", "    'What it does.'\n\n    # why\n    return  h(name)")
    assert hash_of(said) == hash_of(LIBRARY)


def test_a_definition_may_move_to_another_module() -> None:
    moved = changed("from harmonic_lib.other", "from harmonic_lib.new")
    moved["harmonic_lib.new"] = moved.pop("harmonic_lib.other")
    assert hash_of(moved) == hash_of(LIBRARY)


def test_entries_of_a_registry_that_a_run_does_not_use_do_not_count() -> None:
    other = changed("return 2", "return 22")
    assert hash_of(other) != hash_of(LIBRARY)
    assert hash_of(other, frozenset({"second"})) == hash_of(LIBRARY, frozenset({"second"}))
    more = changed("'second': tools.second", "'second': tools.second, 'third': tools.first")
    assert hash_of(more, frozenset({"third"})) == hash_of(LIBRARY)


def test_no_definition_no_hash() -> None:
    with pytest.raises(ValueError, match=r"no nothing in harmonic_lib\.part"):
        code_hash("harmonic_lib.part", "nothing", frozenset(), LIBRARY.get)


def test_the_code_behind_an_experiment_is_what_trains_and_measures_it() -> None:
    module = "harmonic_lib.experiments.algorithmic"
    texts = "".join(Library(installed).behind(module, "run", frozenset()))
    assert all(f"def {name}(" in texts for name in ("train", "explained_variance", "pairwise"))
    assert not any(f"def {name}(" in texts for name in ("configs", "recorded", "check_name"))
