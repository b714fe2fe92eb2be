"""The environment that chapters and pages are made in: this process's, less the user's settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: settings of matplotlib, IPython, Jupyter, docutils, consoles: an outcome must not depend on them
SETTINGS = re.compile(
    r"MPL.*|MATPLOTLIBRC|IPYTHON.*|JUPYTER.*|JPY_.*|DOCUTILSCONFIG"
    r"|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR.*"
    r"|.*_NUM_THREADS|OMP_THREAD_LIMIT|VECLIB_MAXIMUM_THREADS|OMP_DYNAMIC|MKL_DYNAMIC"
)
#: of Python's own settings, those that say where it and its packages are
PLACES = {"PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"}
PLACES |= {"PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"}


def own_environment(folder: Path) -> dict[str, str]:
    """This process's variables without settings; their programs keep their files in ``folder``."""
    kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
    if "PYTHONPATH" in kept:  # a kernel works in its chapter's folder, not in this one
        kept["PYTHONPATH"] = os.pathsep.join(
            str(Path(part).absolute()) for part in kept["PYTHONPATH"].split(os.pathsep)
        )
    ipython, jupyter, matplotlib = (folder / name for name in ("ipython", "jupyter", "matplotlib"))
    for each in (ipython, jupyter, matplotlib):
        each.mkdir(parents=True, exist_ok=True)
    return kept | {
        "IPYTHONDIR": str(ipython),
        "JUPYTER_CONFIG_DIR": str(jupyter),
        "JUPYTER_DATA_DIR": str(jupyter),
        "JUPYTER_RUNTIME_DIR": str(jupyter),
        "MPLCONFIGDIR": str(matplotlib),
        "PYTHONUTF8": "1",  # files are read in the same way wherever a chapter runs
    }


def is_setting(name: str) -> bool:
    """Whether a variable is a setting that an outcome could depend on.

    >>> [is_setting(name) for name in ("MPLBACKEND", "PYTHONSTARTUP", "PYTHONPATH", "HOME")]
    [True, True, False, False]
    """
    python = name.startswith("PYTHON") and name not in PLACES
    return python or SETTINGS.fullmatch(name) is not None


def list_fonts(environment: Mapping[str, str]) -> None:
    """Let matplotlib list the fonts once, before any kernel needs them.

    On a slow machine it says on stderr that it does so, and a chapter that writes there fails.
    """
    folder = Path(environment["MPLCONFIGDIR"])
    if not any(folder.glob("fontlist*.json")):
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=dict(environment), capture_output=True)


def threads_wanted(setting: str) -> int | None:
    """The threads that ``OMP_NUM_THREADS`` asks for: a list has one number a level of nesting.

    None if it is blank.

    Raises:
        ValueError: it is not a number of threads.

    >>> threads_wanted(" 4 "), threads_wanted("2,1"), threads_wanted("")
    (4, 2, None)
    """
    first = setting.split(",")[0].strip()
    if not setting.strip():
        return None
    if not re.fullmatch(r"\+?0*[1-9]\d{0,4}", first, re.ASCII):
        raise ValueError(f"OMP_NUM_THREADS={setting} is not a number of threads")
    return int(first)
