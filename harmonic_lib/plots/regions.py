"""Every figure of the book, in one style; those of one chapter alone are in its module."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from harmonic_lib.measure import prototypes
from harmonic_lib.plots.style import COLOURS, INK
from harmonic_lib.plots.style import style as style

LEVELS = (0.5, 0.9, 0.99)  # the probabilities that get a line in a map of the plane


def decision_regions(
    axes: Axes, head: nn.Module, points: Tensor, labels: Tensor, span: float, marks: bool = True
) -> None:
    """Colour the plane by the predicted class, the stronger the more probable it is.

    Thin lines show where the probability of a class is 50, 90 and 99 %.
    Points are dots in the colour of their class; with ``marks`` each row of the head's
    weight is a cross.
    """
    side = torch.linspace(-span, span, 201, dtype=prototypes(head).dtype)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
    with torch.no_grad():
        probabilities = head(grid).softmax(-1)
    probability, predicted = probabilities.max(-1)
    colours = np.array(COLOURS)
    num_classes = len(prototypes(head))
    certainty = ((probability - 1 / num_classes) / (1 - 1 / num_classes)).clamp(0, 1)
    image = np.dstack([colours[predicted.numpy()], 0.08 + 0.72 * certainty.numpy()])
    box = (-span, span, -span, span)
    axes.imshow(image, extent=box, origin="lower", interpolation="bilinear")
    for one in probabilities.unbind(-1):
        levels = [level for level in LEVELS if float(one.min()) < level < float(one.max())]
        if levels:
            axes.contour(side, side, one, levels, colors=INK, linewidths=0.6, alpha=0.8)
    x, y = points.T
    shade = colours[labels.numpy()]
    axes.scatter(x, y, c=shade, s=26, edgecolors="white", linewidths=0.7, zorder=3)
    if marks:
        for k, w in enumerate(prototypes(head)):
            axes.plot(*w, "X", color=COLOURS[k], mec="black", mew=1, ms=9, zorder=4)
    axes.set(xlim=(-span, span), ylim=(-span, span), xticks=[], yticks=[])
    axes.grid(False)
