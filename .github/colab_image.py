"""Make an environment like Colab's image, as far as its versions install here.

    .venv/bin/python .github/colab_image.py FOLDER

It gets what chapters need, at the versions of tests/files/colab-packages.txt, and nothing that
the set-up cells install. torch and torchvision are those of constraints.txt, which have builds
without CUDA.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harmonic_lib.book.set_up import listed

ROOT = Path(__file__).parents[1]
TORCH = ("torch", "torchvision")
OTHERS = ("setuptools",)  # torch needs a later one than Colab has


def main() -> int:
    """Make it."""
    if len(sys.argv) != 2:
        sys.exit("give the folder of the environment")
    folder = Path(sys.argv[1])
    subprocess.run([sys.executable, "-m", "venv", "--upgrade-deps", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    lines = (ROOT / "tests" / "files" / "colab-packages.txt").read_text("utf-8").splitlines()
    names = {line: line.partition("==")[0] for line in lines if "==" in line}
    pins = [line for line, name in names.items() if name not in TORCH + OTHERS]
    torch, torchvision = (
        re.findall(rf"^{name}==\S+", (ROOT / "constraints.txt").read_text("utf-8"), re.M)[0]
        for name in TORCH
    )
    subprocess.run([*pip, torch], check=True)  # first: what it needs may differ from Colab's pins
    with tempfile.TemporaryDirectory() as place:
        constraints = Path(place, "constraints.txt")
        constraints.write_text("\n".join(pins), encoding="utf-8")
        subprocess.run([*pip, "--constraint", constraints, *needed()], check=True)
    subprocess.run([*pip, "--no-deps", torchvision], check=True)
    return 0


def needed() -> list[str]:
    """What chapters need besides torch and what the set-up cells install; and a kernel."""
    names = [
        re.split(r"[<>=\[]", text)[0]
        for name in ("experiments", "hf")
        for text in listed(ROOT, name)
    ]
    return [name for name in names if name not in ("harmonic-lib", *TORCH)] + ["ipykernel"]


if __name__ == "__main__":
    sys.exit(main())
