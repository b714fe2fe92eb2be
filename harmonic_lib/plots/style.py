"""The one style of every figure, which reads on a light and on a dark page.

Backgrounds are transparent, text and lines mid-tone: "#7a7a7a" has a contrast of 4.3
against white and against near-black.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.colors import to_rgb
from matplotlib.ticker import FuncFormatter

INK = "#7a7a7a"
# seaborn's palette "colorblind", written out: to import seaborn takes over half of torch's time
HEX = "0173b2 de8f05 029e73 d55e00 cc78bc ca9161 fbafe4 949494 ece133 56b4e9"
COLOURS = [to_rgb(f"#{colour}") for colour in HEX.split()]
WIDTH = 7.2
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def style() -> None:
    """Set the book's look; call it once, before the first figure of a chapter."""
    plt.style.use(
        [
            "default",
            {
                "figure.facecolor": "none",
                "axes.facecolor": "none",
                "savefig.facecolor": "none",
                "figure.dpi": 150,
                "figure.constrained_layout.use": True,
                "font.size": 10.5,
                "axes.titlesize": 10.5,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.alpha": 0.25,
                "legend.frameon": False,
                "axes.prop_cycle": cycler(color=COLOURS),
            }
            | dict.fromkeys(
                ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"),
                INK,
            )
            | {"grid.color": INK, "axes.titlecolor": INK},
        ]
    )
