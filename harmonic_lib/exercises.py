"""Exercises that say themselves whether an answer is right."""

from __future__ import annotations

from typing import Any

import torch


def check(number: int, answer: Any, expected: Any, tolerance: float = 1e-6, hint: str = "") -> None:
    """Print whether the answer to an exercise is right, and of a wrong one how it is wrong.

    ``None`` or ``...`` means: not answered yet. Numbers and tensors are right within ``tolerance``
    of what is expected, relative to the largest number in it (to 1 where that is smaller);
    anything else, if it is equal. What is expected is not shown.

    Args:
        number: of the exercise, within its chapter.
        answer: a value, or a function without arguments that gives it.
        expected: the value, or a function without arguments that gives it.
        tolerance: how far off numbers may be.
        hint: said of a wrong answer.
    """
    given = answer() if callable(answer) else answer
    if given is None or given is ...:
        print(f"Exercise {number}: not answered yet.")
        return
    wrong = difference(given, expected() if callable(expected) else expected, tolerance)
    if not wrong:
        print(f"Exercise {number}: right.")
    else:
        print(f"Exercise {number}: not yet. {wrong}" + (f" {hint}" if hint else ""))


def difference(given: Any, expected: Any, tolerance: float) -> str:
    """What is wrong with an answer, in a sentence; "" where it is right."""
    if isinstance(expected, (bool, str)):
        return "" if given == expected else f"{given!r} is not the answer."
    try:
        ours, theirs = as_numbers(expected), as_numbers(given)
    except (TypeError, ValueError, RuntimeError):
        return f"Expected numbers, got {type(given).__name__}."
    if ours.shape != theirs.shape:
        return f"Expected a result of shape {tuple(ours.shape)}, got {tuple(theirs.shape)}."
    if not theirs.isfinite().all():
        return "The result is not finite."
    off = float((ours - theirs).abs().max()) if ours.numel() else 0.0
    scale = max(1.0, float(ours.abs().max())) if ours.numel() else 1.0
    return "" if off <= tolerance * scale else f"The result is off by up to {off:.2g}."


def as_numbers(value: Any) -> torch.Tensor:
    """A number, a sequence of them or a tensor, in float64."""
    if isinstance(value, (list, tuple)):
        return torch.stack([as_numbers(v) for v in value])
    return torch.as_tensor(value, dtype=torch.float64).detach()
