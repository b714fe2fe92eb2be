"""Signals that ask a command to stop: each of them does what Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Ctrl-C, ``kill`` or the end of a CI job's time, and a terminal that closes (not on Windows)
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def interrupt(_: int, __: FrameType | None) -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Inside, every one of the signals raises KeyboardInterrupt, unless it was ignored before."""
    heeded = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    with handled(heeded, interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, none of the signals has an effect: for a few short steps that belong together."""
    with handled(SIGNALS, signal.SIG_IGN):
        yield


def ignore_ctrl_c() -> None:
    """In a worker: a terminal sends Ctrl-C to all processes, and the main one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def handled(signals: list[Any], handler: Any) -> Iterator[None]:
    """Give signals another handler for a while; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, handler) for each in signals}
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, old if old is not None else signal.SIG_DFL)
