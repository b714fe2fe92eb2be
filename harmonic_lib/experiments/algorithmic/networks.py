"""The networks of the five tasks: an embedding, a body, a head upon the embedding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harmonic_lib.data.tasks import Task
from harmonic_lib.experiments.algorithmic.protocols import WIDTH, Config
from harmonic_lib.experiments.heads import harmonic
from harmonic_lib.models.tied import LinearHead, ReleasedHead
from harmonic_lib.models.tokens import TokenMLP, TokenTransformer


def build(config: Config, facts: Task, seed: int) -> nn.Module:
    """A network whose initial weights, and nothing else, come from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUILDERS[config.model](config, facts)


def mlp(config: Config, facts: Task) -> nn.Module:
    """The embedding is drawn as a linear layer's weight is: uniform within 1/sqrt(D)."""
    embedding = nn.Embedding(facts.vocab, WIDTH)
    nn.init.uniform_(embedding.weight, -(WIDTH**-0.5), WIDTH**-0.5)
    head = head_upon(config, embedding.get_parameter("weight"), bias=config.released)
    return TokenMLP(embedding, head, facts.x.shape[1])


def transformer(config: Config, facts: Task) -> nn.Module:
    """As released, the harmonic head has a weight of its own; else it shares the embedding's."""
    embedding = nn.Embedding(facts.vocab, WIDTH)
    nn.init.normal_(embedding.weight, std=WIDTH**-0.5)
    weight = embedding.get_parameter("weight")
    if config.released and config.distance is not None:
        weight = nn.Parameter(torch.empty_like(weight).uniform_(-(WIDTH**-0.5), WIDTH**-0.5))
    return TokenTransformer(embedding, head_upon(config, weight, bias=False), facts.x.shape[1])


def head_upon(config: Config, weight: nn.Parameter, bias: bool) -> nn.Module:
    """The head of a configuration upon a weight."""
    if config.distance is None:
        return LinearHead(weight, bias)
    if config.released:
        return ReleasedHead(weight)
    return harmonic(WIDTH, len(weight), config.distance, config.exponent, weight=weight)


BUILDERS: dict[str, Callable[[Config, Task], nn.Module]] = {"mlp": mlp, "transformer": transformer}


def embedding_of(member: nn.Module) -> Tensor:
    """The (V, D) table of a trained network."""
    return member.get_parameter("embedding.weight").detach()
