"""The scripts behind the workflows: where a book is built, and how its notebooks are published."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from folders import ROOT

RUNNER = ROOT / ".github" / "runner.py"


def outputs(runner: str) -> subprocess.CompletedProcess[str]:
    """What the script prints for a value of the repository variable."""
    command = [sys.executable, str(RUNNER)]
    environment = os.environ | {"GPU_RUNNER": runner, "GITHUB_RUN_ID": "77"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("runner", "labels"),
    [
        ("gpu", "gpu"),
        ('"gpu"', "gpu"),
        (' ["self-hosted", "gpu"] ', ["self-hosted", "gpu"]),
        ("pool--RUN_ID", "pool--77"),
        ('["pool", "pool=RUN_ID/gpu"]', ["pool", "pool=77/gpu"]),
        ('{"group": "gpus", "labels": ["x"]}', {"group": "gpus", "labels": ["x"]}),
    ],
)
def test_a_gpu_is_a_label_or_json_and_runs_chapters_at_full_one_by_one(
    runner: str, labels: object
) -> None:
    said = dict(line.split("=", 1) for line in outputs(runner).stdout.splitlines())
    assert json.loads(said["labels"]) == labels
    assert said["arguments"] == "--profile full --jobs 1"
    assert said["profile"] == "full"


def test_without_a_gpu_a_machine_of_github_builds_at_quick() -> None:
    said = dict(line.split("=", 1) for line in outputs("").stdout.splitlines())
    assert json.loads(said["labels"]) == "ubuntu-latest"
    assert said["arguments"] == "--profile quick"
    assert said["profile"] == "quick"


@pytest.mark.parametrize("runner", ['["gpu"', "[1]", "[]", '""'])
def test_what_is_no_runner_is_refused_by_name(runner: str) -> None:
    done = outputs(runner)
    assert done.returncode == 1
    assert "GPU_RUNNER" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a script of the shell")
def test_the_branch_of_notebooks_is_the_folder_and_nothing_else(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path / "bare"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "bare")], check=True)
    for version in ("first", "second"):
        folder = tmp_path / version
        (folder / ".devcontainer").mkdir(parents=True)
        (folder / ".devcontainer" / "devcontainer.json").write_text("{}")
        (folder / f"{version}.ipynb").write_text("{}")
        script = ROOT / ".github" / "publish_notebooks.sh"
        command = ["bash", str(script), str(folder), str(tmp_path / "bare"), f"the {version}"]
        subprocess.run(command, check=True, capture_output=True)
    files = git("ls-tree", "-r", "--name-only", "notebooks").split()
    assert files == [".devcontainer/devcontainer.json", "second.ipynb"]
    assert git("log", "--format=%s", "notebooks").split("\n") == ["the second", ""]


def test_colabs_script_asks_that_solutions_are_right(tmp_path: Path) -> None:
    unsolved = runpy.run_path(str(ROOT / ".github" / "colab.py"))["unsolved"]

    def executed(tag: str, *said: str) -> Path:
        cells = [{"id": "solution-1", "metadata": {"tags": [tag]}, "outputs": []}]
        for number, text in enumerate(said, 1):
            cells.append({"id": f"check-{number}", "metadata": {}, "outputs": [{"text": [text]}]})
        path = tmp_path / "executed.ipynb"
        path.write_text(json.dumps({"cells": cells}))
        return path

    solved = ["Exercise 1: right.\n", "it prints more:\n\n 3\nExercise 2: right.\n"]
    assert unsolved(executed("solution", *solved)) == []
    assert unsolved(executed("none", "Exercise 1: not answered yet.\n")) == []
    wrong = unsolved(executed("solution", "Exercise 1: right.\n", "Exercise 2: not yet. Off.\n"))
    assert wrong == ["1 of 2 exercises right", "Exercise 2: not yet. Off."]
