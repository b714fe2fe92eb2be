"""The two small networks of Baek et al. 2025 (section 4): a few tokens in, one token out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.models.encoder import EncoderLayer


class TokenMLP(nn.Module):
    """Embed k tokens, concatenate, 100 hidden units, back to D, then the head.

    ``(..., k) -> (..., V)``; SiLU after the hidden layer alone. The head may share the
    embedding's weight.

    Args:
        embedding: of V tokens in D numbers.
        head: (..., D) -> (..., V) logits.
        tokens: k, how many tokens a question has.
        hidden: the number of hidden units.
    """

    def __init__(
        self, embedding: nn.Embedding, head: nn.Module, tokens: int, hidden: int = 100
    ) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.hidden = nn.Linear(tokens * width, hidden)
        self.out = nn.Linear(hidden, width)
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """What the head sees, (..., D)."""
        features: Tensor = self.out(F.silu(self.hidden(self.embedding(x).flatten(-2))))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


class TokenTransformer(nn.Module):
    """Two post-norm encoder layers, read at the last position, then the head: (N, k) -> (N, V).

    As released: ReLU, no mask, learned positions from a standard normal distribution, and
    a residual around each layer besides the two within it.

    Args:
        embedding, head, tokens: as for :class:`TokenMLP`.
        layers, heads, hidden, dropout: the paper's 2, 2, 64 and 0.1 by default.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        head: nn.Module,
        tokens: int,
        layers: int = 2,
        heads: int = 2,
        hidden: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.position = nn.Parameter(torch.randn(tokens, width))
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, hidden, dropout) for _ in range(layers)
        )
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """What the head sees, (N, D)."""
        h: Tensor = self.embedding(x) + self.position
        for layer in self.layers:
            h = h + layer(h)
        return h[:, -1]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
