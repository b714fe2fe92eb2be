"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries."""

from __future__ import annotations

from pathlib import Path

import torch

from harmonic_lib.data.images import LabelledImages


def load(split: str, root: Path | None, complete: bool) -> LabelledImages:
    """1,437 training and 360 test images, split once and for all, stratified by class.

    Always complete; needs neither a root nor the network.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    rows = train_test_split(
        range(len(digits.target)), test_size=360, random_state=0, stratify=digits.target
    )[0 if split == "train" else 1]
    return LabelledImages(
        name="digits",
        split=split,
        images=torch.tensor(digits.images[rows] / 16, dtype=torch.float32).unsqueeze(1),
        labels=torch.tensor(digits.target[rows], dtype=torch.int64),
        classes=tuple(str(k) for k in digits.target_names),
        origin="complete",
    )
