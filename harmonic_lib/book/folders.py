"""The folders that the pipeline writes to: made, tried and emptied."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

#: what desktops, editors and network drives leave in any folder
CLUTTER = (
    *(".DS_Store", "._*", ".localized", "Icon\r", ".Trash*", "Thumbs.db", "desktop.ini"),
    *(".directory", ".nfs*", ".fuse_hidden*", "*~", ".*.sw?", ".#*", "#*#"),
)


def is_clutter(name: str) -> bool:
    """Whether a file of this name is nobody's work.

    >>> [is_clutter(name) for name in (".DS_Store", ".a.md.swp", "CNAME", ".git")]
    [True, True, False, False]
    """
    return any(fnmatchcase(name, pattern) for pattern in CLUTTER)


def files_below(path: Path) -> list[Path]:
    """The file itself, or every file in the folder, without clutter; nothing where neither is."""
    if path.is_file():
        return [path]
    found = [p for p in path.rglob("*") if p.is_file() and not is_clutter(p.name)]
    return [p for p in found if ".ipynb_checkpoints" not in p.parts]


def make_folder(path: Path) -> None:
    """Make a folder where there is none, and try to write in it.

    Raises:
        OSError: it cannot be written, or a file or a link that leads nowhere is in its place.
    """
    check_links(path)
    path.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_links(path: Path) -> None:
    """Raise OSError if a link on the way to ``path`` leads nowhere, as to a disk that is not there.

    The folder that it names is not made: it would be made on the wrong disk.
    """
    for each in (path, *path.parents):
        if each.is_symlink() and not each.exists():
            raise FileNotFoundError(f"{each} is a link to {each.readlink()}, which is not there")


def make_room(path: Path) -> None:
    """Make sure that :func:`harmonic_lib.book.outcomes.write_whole` can write this file.

    Raises:
        OSError: the folder cannot be written, or a folder is in the file's place.
    """
    make_folder(path.parent)
    for each in (path, path.with_name(f"{path.name}.part")):
        if each.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a file belongs there, not a folder", str(each))


def empty(folder: Path) -> None:
    """Delete what is in a folder, also where it is read-only; links are not followed.

    Raises:
        OSError: something other than clutter cannot be deleted.
    """
    make_writable(folder)
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            empty(entry)
            with contextlib.suppress(OSError):  # a file that is in use is left in it
                entry.rmdir()
        else:
            try:
                entry.unlink()
            except OSError:
                if not is_clutter(entry.name):
                    raise


def make_writable(folder: Path) -> None:
    """Let the owner of a folder move it, list it and write in it."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(folder.stat().st_mode | 0o700)


def reason(error: OSError) -> str:
    """What went wrong, in one line; copytree gathers one error a file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return str(error)
