"""The book's first picture: a linear and a harmonic head, trained on three clouds of points."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.plots.regions import decision_regions
from harmonic_lib.plots.style import WIDTH
from harmonic_lib.plots.style import style as style


def two_heads(heads: Mapping[str, nn.Module], points: Tensor, labels: Tensor) -> Figure:
    """The book's first picture: what each head makes of the plane, near the data and far off."""
    figure, grid = plt.subplots(1, len(heads), figsize=(WIDTH, WIDTH / 2 + 0.2))
    for axes, (name, head) in zip(grid, heads.items(), strict=True):
        decision_regions(axes, head, points, labels, span=9.0)
        axes.set_title(name)
    return figure


CENTRES = torch.tensor([[-2.0, -1.5], [2.5, -1.0], [0.0, 2.5]])
EXPONENT = 4.0


def clouds(a_class: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points around three centres with deviation 0.6, and their classes."""
    noise = torch.randn(a_class, len(CENTRES), 2, generator=torch.Generator().manual_seed(seed))
    points = CENTRES + 0.6 * noise
    return points.flatten(0, 1), torch.arange(len(CENTRES)).repeat(a_class)


def train(x: Tensor, y: Tensor, steps: int = 2_000, seed: int = 0) -> dict[str, nn.Module]:
    """Both heads after ``steps`` full-batch steps of Adam with learning rate 1e-2."""
    torch.manual_seed(seed)
    heads: dict[str, nn.Module] = {
        "softmax of dot products": nn.Linear(2, len(CENTRES)),
        "HarMax of distances": hl.HarmonicHead(2, len(CENTRES), exponent=EXPONENT),
    }
    for head in heads.values():
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
        for _ in range(steps):
            optimiser.zero_grad()
            F.cross_entropy(head(x), y).backward()
            optimiser.step()
    return heads


def save(path: str) -> None:
    """Draw the picture into a file, for the README (``make picture``)."""
    from harmonic_lib import plots
    from harmonic_lib.chapters.intro import first_picture

    plots.style()
    x, y = clouds()
    first_picture.two_heads(train(x, y), x, y).savefig(path, bbox_inches="tight")
