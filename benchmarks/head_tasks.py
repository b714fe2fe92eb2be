"""What `heads.py` measures: the tasks of each case, and how to build one.

A task is one way to do one piece of work; the ways that are compared with each other share a
group, and get the same inputs.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.distances.engine import WORTH

FORMS = {(f.name, f.form): f for spec in hl.DISTANCES.values() for f in spec.every_form()}
SIZES = {
    "vocabulary": [(2048, 50257, 128)],
    "pairs": [(512, 2000, 256)],
    "all forms": [(256, 50257, 768)],
    "step": [(1024, 10, 256), (1024, 100, 256)],
    "gpu": [(8192, 50257, 768)],
}
PRODUCTS = [("euclidean", ""), ("cosine", ""), ("mahalanobis", "diagonal")]
PAIRS = [
    ("manhattan", ""),
    ("minkowski", "p >= 1"),
    ("chebyshev", "maximum"),
    ("canberra", "standard"),
    ("bray_curtis", "standard"),
    ("hamming", "soft"),
]
CDIST = {"manhattan": 1.0, "minkowski": 1.5, "chebyshev": math.inf}
CHUNKED = "F.linear_cross_entropy, chunked"
PACKAGES = {"Liger": "liger_kernel", "cut_cross_entropy": "cut_cross_entropy"}


@dataclass(frozen=True)
class Task:
    """One way (``provider``) to do one piece of work; the first columns of the table."""

    case: str
    operation: str
    distance: str
    form: str
    provider: str
    N: int
    K: int
    D: int
    dtype: str = "float32"

    @property
    def on(self) -> str:
        """The device it runs on."""
        return "cuda" if self.case == "gpu" else "cpu"

    def __str__(self) -> str:
        words = (self.distance, self.form, self.provider, f"K={self.K}")
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Group:
    """Tasks that are timed in turn; ratios are to the provider ``reference``, if there is one."""

    reference: str
    tasks: list[Task]


def groups(case: str) -> Iterator[Group]:
    """What is to be measured for a case."""
    for size in SIZES[case]:
        if case == "pairs":
            for distance, form in PAIRS:
                providers = ["hl.distance", "hl.distance, eager", "broadcast"]
                providers += ["torch.cdist"] if distance in CDIST else []
                task = Task(case, "distance", distance, form, "", *size)
                yield Group(
                    "broadcast", [replace(task, provider=provider) for provider in providers]
                )
            continue
        dtype = "bfloat16" if case == "gpu" else "float32"
        linear = Task(case, "step" if case == "step" else "loss", "", "", "linear", *size, dtype)
        others, forms, providers = [], list(FORMS), ["head.loss"]
        if case == "vocabulary":
            others, forms = ["F.linear_cross_entropy", CHUNKED], PRODUCTS
        if case == "step":
            providers = ["head.loss", "logits"]
        if case == "gpu":
            others, forms = list(PACKAGES), [(s.name, s.form) for s in hl.DISTANCES.values()]
        tasks = [replace(linear, provider=provider) for provider in others] + [
            replace(linear, distance=distance, form=form, provider=provider)
            for distance, form in forms
            for provider in providers
        ]
        compared = case != "all forms"
        yield Group("linear" if compared else "", [linear, *tasks] if compared else tasks)


def missing(task: Task) -> str:
    """Why a task cannot be run here; "" where it can."""
    if task.on == "cuda" and not torch.cuda.is_available():
        return "there is no CUDA device"
    package = PACKAGES.get(task.provider)
    if package and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    if task.provider.startswith("F.") and not hasattr(F, "linear_cross_entropy"):
        return f"torch {torch.__version__} does not have it"
    if task.provider == CHUNKED and not hasattr(nn, "LinearCrossEntropyOptions"):
        return f"torch {torch.__version__} cannot chunk"
    needed, free = needs_mb(task), free_mb()
    if task.on == "cpu" and needed > free:
        return f"it needs about {needed:.0f} MiB of memory, and {free:.0f} are free"
    return ""


def needs_mb(task: Task) -> float:
    """About how much memory a task takes, where that is much."""
    pairs = task.N * task.K * 4 / 2**20
    if task.provider == "broadcast":
        return 8 * task.D * pairs
    return 6 * pairs + 4 * task.K * task.D * 4 / 2**20


def free_mb() -> float:
    """The memory that is to be had, where the system says so."""
    file = Path("/proc/meminfo")
    if not file.exists():
        return math.inf
    values = dict(line.split(":") for line in file.read_text().splitlines())
    return float(values["MemAvailable"].split()[0]) / 1024


class Work:
    """A task with its inputs and weights. Calling it is what the clock and the meter see."""

    def __init__(self, run: Callable[[int | None], Tensor], leaves: list[Tensor]) -> None:
        self.run, self.leaves = run, leaves

    def __call__(self, rows: int | None = None) -> Tensor:
        """Forward and backward (in a step: the update too) of all rows, or the first ones."""
        return self.run(rows)

    def forget(self) -> None:
        """No gradients."""
        for leaf in self.leaves:
            leaf.grad = None

    def zero(self) -> None:
        """Gradients that are there, and zero."""
        for leaf in self.leaves:
            leaf.grad = torch.zeros_like(leaf)


def few_rows(task: Task) -> int:
    """So many rows warm up: few, and as many as make the same choice of engine."""
    return min(task.N, max(16, -(-WORTH // (task.K * task.D))))


def build(task: Task) -> Work:
    """Everything that a task needs, from the same random numbers for all of a group."""
    torch.manual_seed(0)
    if task.operation == "distance":
        return distance_work(task)
    return step_work(task) if task.operation == "step" else loss_work(task)


def distance_work(task: Task) -> Work:
    """Distances of all pairs, and their gradients for a random one that comes from above."""
    x = torch.randn(task.N, task.D, requires_grad=True)
    w = torch.randn(task.K, task.D, requires_grad=True)
    g = torch.randn(task.N, task.K)
    distance = distance_of(task)

    def run(rows: int | None) -> Tensor:
        d = distance(x if rows is None else x[:rows], w)
        d.backward(g if rows is None else g[:rows])
        return d.detach().mean()

    return Work(run, [x, w])


def distance_of(task: Task) -> Callable[[Tensor, Tensor], Tensor]:
    if task.provider == "broadcast":
        return BROADCAST[task.distance]
    if task.provider == "torch.cdist":
        return lambda x, w: torch.cdist(x, w, p=CDIST[task.distance])
    return library_distance(task)


def library_distance(task: Task) -> hl.Distance:
    spec = FORMS[task.distance, task.form]
    learns = {"dim": task.D} if spec.learns else {}
    return hl.distance(spec.name, **learns, **spec.options)


BROADCAST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "manhattan": lambda x, w: (x[:, None] - w).abs().sum(-1),
    "minkowski": lambda x, w: (x[:, None] - w).abs().pow(1.5).sum(-1).pow(1 / 1.5),
    "chebyshev": lambda x, w: (x[:, None] - w).abs().amax(-1),
    "canberra": lambda x, w: ((x[:, None] - w).abs() / (x[:, None].abs() + w.abs())).sum(-1),
    "bray_curtis": lambda x, w: (x[:, None] - w).abs().sum(-1) / (x[:, None] + w).abs().sum(-1),
    "hamming": lambda x, w: ((x - 0.5).sigmoid()[:, None] - (w - 0.5).sigmoid()).abs().mean(-1),
}
"""What one writes first, and autograd differentiates: all differences at once, (N, K, D)."""


def loss_work(task: Task) -> Work:
    """The loss of given features, with its gradients in these and in the weights."""
    dtype = getattr(torch, task.dtype)
    x = torch.randn(task.N, task.D, device=task.on, dtype=dtype, requires_grad=True)
    y = torch.randint(task.K, (task.N,), device=task.on)
    layer, loss_of = last_layer(task)
    layer.to(task.on, dtype)

    def run(rows: int | None) -> Tensor:
        loss = loss_of(x, y) if rows is None else loss_of(x[:rows], y[:rows])
        loss.backward()
        return loss.detach()

    return Work(run, [x, *layer.parameters()])


def step_work(task: Task) -> Work:
    """A step of training for a small network with this last layer."""
    x, y = torch.randn(task.N, 784), torch.randint(task.K, (task.N,))
    body = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, task.D), nn.ReLU())
    layer, loss_of = last_layer(task)
    optimiser = torch.optim.Adam([*body.parameters(), *layer.parameters()])

    def run(rows: int | None) -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(body(x[:rows]), y[:rows])
        loss.backward()
        optimiser.step()
        return loss.detach()

    return Work(run, [])


def last_layer(task: Task) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """The layer from features to classes, and the loss of features and classes with it."""
    if task.distance:
        given = library_distance(task)
        head = hl.HarmonicHead(task.D, task.K, distance=given)
        if task.provider == "logits":
            return head, lambda x, y: F.cross_entropy(head(x), y)
        return head, head.loss
    linear = nn.Linear(task.D, task.K, bias=task.operation == "step")
    nn.init.normal_(linear.weight, std=1 / math.sqrt(task.D))
    weight, fused = linear.weight, fused_loss(task.provider)
    if fused is None:
        return linear, lambda x, y: F.cross_entropy(linear(x), y)
    return linear, lambda x, y: fused(x, weight, y)


def fused_loss(provider: str) -> Callable[[Tensor, Tensor, Tensor], Tensor] | None:
    """Others' losses of a linear layer, (x, weight, y), that do without the logits."""
    if provider.startswith("F."):
        own: dict[str, Any] = {}
        if provider == CHUNKED:
            own["options"] = nn.LinearCrossEntropyOptions()
        return lambda x, weight, y: F.linear_cross_entropy(x, weight, y, **own)
    if provider == "Liger":
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        liger = LigerFusedLinearCrossEntropyLoss()
        return lambda x, weight, y: liger(weight, x, y)
    if provider == "cut_cross_entropy":
        from cut_cross_entropy import linear_cross_entropy

        return lambda x, weight, y: linear_cross_entropy(x, weight, y)
    return None
