"""How arithmetic over all pairs is done: compiled or in eager tiles; chosen by size, or by you."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harmonic_lib.checks import check_name

FEW = 16
"""So many prototypes never wait for a compiler, and have their differences taken one by one."""

WORTH = 2**23
"""Pairs times coordinates from which a compiled kernel is used: eager tiles then take 0.1 s."""


class NotCompiledError(Exception):
    """A kernel was about to run as it is written, and would have held all differences."""


_chosen = "auto"
_ran: list[set[str]] = []
_compiler_works = True


@contextmanager
def engine(name: str = "auto") -> Iterator[set[str]]:
    """Choose how distances and losses are computed, and see how they were.

    >>> import harmonic_lib as hl
    >>> with hl.engine() as ran:
    ...     d = hl.distance("canberra")(torch.ones(1, 2), torch.zeros(3, 2))
    >>> ran
    {'eager'}

    - "compiled": kernels by ``torch.compile`` that hold no differences at all. The first
      call of a distance compiles them, in some seconds;
    - "eager": tiles of at most 512 KiB in plain PyTorch, and ``torch.cdist`` where it will do;
    - "auto", the default without this context: compiled where there are more than 16
      prototypes and 2^23 pairs times coordinates, and a compiler that works; else eager.
      Without one there is a warning, once.

    Distances that are matrix products have no use for either. Under ``vmap``, and where the
    gradient is to be differentiated again, it is "eager" always.

    Args:
        name: "auto", "compiled" or "eager", for all threads, until the context ends.

    Yields:
        The set of what ran since: "compiled", "eager", and "product" where
        :func:`harmonic_lib.harmonic_cross_entropy` used matrix products.

    Raises:
        ValueError: there is no engine of that name.
    """
    global _chosen
    check_name("engine", name, ("auto", "compiled", "eager"))
    before, ran = _chosen, set[str]()
    _chosen = name
    _ran.append(ran)
    try:
        yield ran
    finally:
        _chosen = before
        _ran[:] = [each for each in _ran if each is not ran]


def note(name: str) -> None:
    """Tell those who look that this engine runs now."""
    if not torch.compiler.is_compiling():
        for ran in _ran:
            ran.add(name)


def exporting() -> bool:
    """Whether ``torch.export`` looks on, for which the number of rows is no number."""
    return bool(getattr(torch.compiler, "is_exporting", bool)())  # since PyTorch 2.7


def compiles(x: Tensor, w: Tensor) -> bool:
    """Whether a compiled kernel is to do the pairs of ``x`` (N, D) and ``w`` (K, D)."""
    if exporting():
        return False
    if _chosen != "auto":
        return _chosen == "compiled"
    return _compiler_works and len(w) > FEW and x.numel() * len(w) >= WORTH


def run(
    compiled: Callable[..., Any], eager: Callable[..., Any], x: Tensor, w: Tensor
) -> Callable[..., Any]:
    """The one of two ways that suits the pairs of ``x`` and ``w``; ``eager`` where it fails."""

    def eagerly(*arguments: Any) -> Any:
        note("eager")
        return eager(*arguments)

    def compiled_if_possible(*arguments: Any) -> Any:
        if any(transformed(argument) for argument in arguments):
            return eagerly(*arguments)
        try:
            result = compiled(*arguments)
        except NotCompiledError:
            return eagerly(*arguments)
        except Exception as error:
            from torch._dynamo.exc import TorchDynamoException  # loads for a second: only here

            if not isinstance(error, TorchDynamoException):
                raise
            failed(error)
            return eagerly(*arguments)
        note("compiled")
        return result

    return compiled_if_possible if compiles(x, w) else eagerly


def transformed(argument: object) -> bool:
    """Whether it is a tensor inside of ``vmap`` or another transform of ``torch.func``."""
    if torch.compiler.is_compiling() or not isinstance(argument, Tensor):
        return False
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(argument))


def failed(error: Exception) -> None:
    """The compiler did not work: say so, and do without from now on. Raises where it must."""
    global _compiler_works
    if _chosen == "compiled":
        raise RuntimeError("torch.compile fails; leave the engine at 'auto'") from error
    _compiler_works = False
    reason = str(error).strip().splitlines()[0]
    warnings.warn(
        f"torch.compile fails, so distances take slower eager tiles: {reason}", stacklevel=2
    )
