"""Hamlet, character by character: 174 thousand of them, a text that comes with the project."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.paths import data_dir


@dataclass(frozen=True)
class Characters:
    """A text as ids (N,) of the characters of its alphabet.

    Attributes:
        ids: int64, from 0 to ``len(alphabet) - 1``.
        alphabet: all characters of the text, sorted.
    """

    ids: Tensor
    alphabet: str

    def text(self, ids: Tensor) -> str:
        """Ids as text again."""
        return "".join(self.alphabet[k] for k in ids.tolist())


def load() -> Characters:
    """The play, from ``data/samples``."""
    text = (data_dir() / "samples" / "hamlet.txt").read_text(encoding="utf-8")
    alphabet = "".join(sorted(set(text)))
    places = {character: k for k, character in enumerate(alphabet)}
    return Characters(torch.tensor([places[character] for character in text]), alphabet)
