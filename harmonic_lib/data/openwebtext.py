"""Text as token ids of GPT-2: the sample of OpenWebText that nanoGPT kept for validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harmonic_lib.checks import check_size
from harmonic_lib.paths import CACHE

GPT2_TOKENS = 50_257


@dataclass(frozen=True)
class Text:
    """Token ids in the order of the text: to train on, and the part after it to validate on.

    The ``size`` - 1 most frequent tokens of the training part keep an id of their own, in order of
    frequency; all others share the last one.
    """

    train: Tensor
    validation: Tensor
    size: int

    def digest(self) -> str:
        """SHA-256 of the ids, the same on every machine."""
        ids = torch.cat([self.train, self.validation]).to(torch.int32)
        return hashlib.sha256(ids.numpy().astype("<i4").tobytes()).hexdigest()


def load(root: Path | None, size: int) -> Text:
    """The ids from ``root/openwebtext/val.bin``, of which the last tenth is held out.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it does not hold ids of GPT-2 tokens, or ``size`` is below 1.
    """
    check_size("size", size)
    path = (CACHE if root is None else root).expanduser() / "openwebtext" / "val.bin"
    if not path.is_file():
        raise FileNotFoundError(f"OpenWebText: no {path}; it has no committed sample")
    ids = np.fromfile(path, dtype="<u2").astype(np.int64)
    if len(ids) == 0 or ids.max() >= GPT2_TOKENS:
        raise ValueError(f"{path} does not hold ids of GPT-2 tokens in 16 bits each")
    cut = len(ids) * 9 // 10
    counts = np.bincount(ids[:cut], minlength=GPT2_TOKENS)
    frequent = np.argsort(-counts, kind="stable")[: size - 1]
    new = np.full(GPT2_TOKENS, size - 1)
    new[frequent] = np.arange(len(frequent))
    known = torch.from_numpy(new[ids])
    return Text(known[:cut], known[cut:], size)
