"""A weight matrix and nothing else: 2 or 5 points of the plane, each a class of its own.

Source of the protocol: the toy-points notebook released with Baek et al. 2025: Adam with
learning rate 1e-2, the whole data set in every step, 10,000 steps, seed 0. Here in float64,
so that rounding sets no floor of its own under the losses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.checks import check_name
from harmonic_lib.measure import prototypes

POINTS = {
    "two points": [[1.0, 1.0], [-1.0, -1.0]],
    "five points": [[0.0, 1.0], [0.0, -1.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]],
}
STEPS = {"smoke": 30, "quick": 3_000, "full": 10_000}
EXPONENT = 2.0  # the released code raises the squared distance to the power 1
EPSILON = 1e-6  # what the released code adds to the squared distance


class FlooredHead(hl.HarmonicHead):
    """A harmonic head with the released code's epsilon: logits -(n/2) log(d^2 + epsilon)."""

    def forward(self, x: Tensor) -> Tensor:
        squared: Tensor = self.distance(x, self.weight).square()
        return -self.link.options["exponent"] / 2 * (squared + EPSILON).log()


HEADS: dict[str, Callable[[int], nn.Module]] = {
    "cross-entropy, no bias": lambda k: nn.Linear(2, k, bias=False),
    "cross-entropy, bias": lambda k: nn.Linear(2, k),
    "harmonic": lambda k: hl.HarmonicHead(2, k, exponent=EXPONENT),
    "harmonic + epsilon": lambda k: FlooredHead(2, k, exponent=EXPONENT),
}


@dataclass(frozen=True)
class Run:
    """One head trained on one set of points, looked at after each of ``steps`` (T,).

    loss, accuracy, norm: (T,) tensors; ``norm`` is the length of the whole weight matrix.
    heads: the head as it was at each of them.
    """

    name: str
    points: Tensor
    steps: Tensor
    loss: Tensor
    accuracy: Tensor
    norm: Tensor
    heads: list[nn.Module]

    def at(self, step: int) -> nn.Module:
        """The head as it was after ``step`` steps, or at the last look before that."""
        return self.heads[int((self.steps <= step).sum()) - 1]


def run(points: str, head: str, profile: str = "quick", seed: int = 0) -> Run:
    """Train one head on one set of points.

    Raises:
        ValueError: an unknown set, head or profile.
    """
    for kind, name, valid in (("set of points", points, POINTS), ("head", head, HEADS)):
        check_name(kind, name, valid)
    check_name("profile", profile, STEPS)
    x = torch.tensor(POINTS[points], dtype=torch.float64)
    y = torch.arange(len(x))
    torch.manual_seed(seed)
    model = HEADS[head](len(x)).double()
    looks = look_steps(STEPS[profile])
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    seen: list[tuple[float, float, float, nn.Module]] = []
    for step in range(STEPS[profile] + 1):
        z = model(x)
        loss = F.cross_entropy(z, y)
        if step in looks:
            hit = float((z.argmax(-1) == y).float().mean())
            seen.append((loss.item(), hit, float(prototypes(model).norm()), copy.deepcopy(model)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    losses, hits, norms, heads = zip(*seen, strict=True)
    return Run(
        name=head,
        points=x,
        steps=torch.tensor(looks),
        loss=torch.tensor(losses),
        accuracy=torch.tensor(hits),
        norm=torch.tensor(norms),
        heads=list(heads),
    )


def look_steps(last: int, a_decade: int = 20) -> list[int]:
    """0 and about ``a_decade`` steps in each power of ten, up to ``last``."""
    log = torch.logspace(0, torch.tensor(float(last)).log10(), 1 + 4 * a_decade)
    return sorted({0, last, *log.round().int().tolist()})


def loss_floor(points: Tensor, exponent: float = EXPONENT, epsilon: float = EPSILON) -> float:
    r"""The loss with every prototype on its point, where epsilon is added to d^2.

    The mean over t of :math:`\log(1 + \sum_{j \ne t} (\epsilon / (d_{tj}^2 + \epsilon))^{n/2})`.
    """
    squared = torch.cdist(points, points).square() + epsilon
    return float((squared / epsilon).pow(-exponent / 2).sum(1).log().mean())
