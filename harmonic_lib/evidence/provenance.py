"""Where a record comes from: the machine, the versions and the commit."""

from __future__ import annotations

import functools
import platform
import subprocess
from typing import Any

import torch

from harmonic_lib.device import device_name
from harmonic_lib.paths import PACKAGE


def provenance() -> dict[str, Any]:
    """The fields of a record that describe this machine and this checkout."""
    return {
        "device": device_name(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": commit(),
    }


@functools.cache
def commit() -> str:
    """The checkout's commit, with "+" if the library has uncommitted changes.

    "" outside a checkout: git must track the library. It does not track one that is installed
    inside another project's checkout.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", str(PACKAGE))
        changed = git("status", "--porcelain", "--", str(PACKAGE))
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
