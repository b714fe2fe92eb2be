"""Run notebooks as on Colab: each alone, in an image that has Colab's packages.

    python .github/colab.py _build/notebooks/student --python /usr/bin/python3

runs every notebook below a folder at `smoke`, each in a folder that holds nothing else, with
a kernel of that Python. In the instructors' notebooks every exercise must come out right. What
a set-up cell installs is removed before, so that the cell has to install it; torch and numpy must
stay as they are. The script itself needs papermill, from an environment of its own: what
papermill brings must not hide what Colab lacks.

With `--checkout DIR` the set-up cells install from a local checkout instead of the published
repository: for a commit that is not published yet.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERSIONS = "from importlib.metadata import version as v; print(*map(v, ('torch', 'numpy')))"


def main() -> int:
    """Run the notebooks; 0 if all of them ran and torch and numpy are what they were."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the notebooks are")
    parser.add_argument("--python", default=sys.executable, help="the image's Python")
    parser.add_argument("--only", nargs="*", help="names of notebooks; default: all")
    parser.add_argument("--checkout", type=Path, help="install the library from here")
    parser.add_argument("--out", type=Path, help="keep the executed notebooks in this folder")
    options = parser.parse_args()
    # a kernel starts in another folder; a link stays one, as it makes the environment
    options.python = str(Path(shutil.which(options.python) or options.python).absolute())
    paths = sorted(options.folder.rglob("*.ipynb"))
    paths = [path for path in paths if options.only is None or path.stem in options.only]
    if not paths:
        sys.exit(f"no notebook to run in {options.folder}")
    before = call(options.python, "-c", VERSIONS)
    print(f"torch and numpy: {before}", flush=True)
    failed = [str(path) for path in paths if not runs(path, options)]
    after = call(options.python, "-c", VERSIONS)
    print(
        f"torch and numpy: {after}\n{len(paths) - len(failed)} of {len(paths)} ran to the end",
        *failed,
    )
    return int(bool(failed) or after != before)


def runs(path: Path, options: argparse.Namespace) -> bool:
    """Whether a notebook runs to its end, every solution right; prints the time, or why not."""
    set_up = set_up_cell(path)
    names = re.findall(r'^ +"([\w.-]+)', set_up, re.MULTILINE)
    call(options.python, "-m", "pip", "uninstall", "--yes", "--quiet", *names)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "content")
        place.mkdir()
        shutil.copy(path, place)
        environment = os.environ | {
            "COLAB_RELEASE_TAG": "check",
            "JUPYTER_PATH": str(kernel(Path(folder, "jupyter"), options.python)),
        }
        if options.checkout:
            environment |= instead(set_up, options.checkout)
        command = [sys.executable, "-m", "papermill", "--kernel", "image", "--no-progress-bar"]
        command += ["--parameters", "profile", "smoke", path.name, "executed.ipynb"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        wrong = unsolved(place / "executed.ipynb") if done.returncode == 0 else []
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / "executed.ipynb", options.out / path.name)
    result = f"failed\n{done.stderr[-4000:]}" if done.returncode else "ran to the end"
    print(f"{path}: {time.monotonic() - begun:.0f} s, {result}", *wrong, flush=True)
    return done.returncode == 0 and not wrong


def unsolved(executed: Path) -> list[str]:
    """What the checks of a notebook with solutions say, where it is not "right"."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    if not any("solution" in cell["metadata"].get("tags", []) for cell in cells):
        return []
    checks = [cell for cell in cells if cell["id"].startswith("check-")]
    outputs = [output for cell in checks for output in cell["outputs"]]
    printed = "".join(line for output in outputs for line in output.get("text", []))
    lines = [line for line in printed.splitlines() if line.startswith("Exercise ")]
    right = [line for line in lines if line.endswith(": right.")]
    missing = [f"{len(right)} of {len(checks)} exercises right"] * (len(right) < len(checks))
    return missing + [line for line in lines if line not in right]


def set_up_cell(path: Path) -> str:
    """The source of a notebook's set-up cell."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (cell,) = [cell for cell in cells if cell["id"] == "set-up"]
    return "".join(cell["source"])


def kernel(folder: Path, python: str) -> Path:
    """A Jupyter folder with a kernel "image": this Python, without the packages of this script."""
    place = folder / "kernels" / "image"
    place.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "image", "language": "python", "env": {"PYTHONPATH": ""}}
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def instead(set_up: str, checkout: Path) -> dict[str, str]:
    """Variables that make git read a checkout where a set-up cell names the repository."""
    (address,) = re.findall(r'git\+(https://[^"@]+)', set_up)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{checkout.resolve().as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }


def call(*command: str) -> str:
    """What a command of the image prints, without the packages of this script."""
    environment = os.environ | {"PYTHONPATH": ""}
    done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
