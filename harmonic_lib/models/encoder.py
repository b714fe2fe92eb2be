"""A transformer's encoder layer, in operations that many members can share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    """Post-norm self-attention and ReLU network, (N, L, D) -> (N, L, D).

    What ``nn.TransformerEncoderLayer`` computes and how it draws its weights, written out:
    its fused kernels have no rule for ``vmap``, which then runs the members one by one.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        nn.init.xavier_uniform_(self.query_key_value.weight)
        nn.init.zeros_(self.query_key_value.bias)
        self.project = nn.Linear(width, width)
        nn.init.zeros_(self.project.bias)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm_attention, self.norm_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x: Tensor) -> Tensor:
        """Attention of every position to all, by each of the heads."""
        parts = self.query_key_value(x).unflatten(-1, (3, self.heads, -1)).transpose(-2, -4)
        query, key, value = parts.unbind(-3)  # (N, heads, L, D / heads) each
        scores = query @ key.mT / query.shape[-1] ** 0.5
        mixed = self.dropout(scores.softmax(-1)) @ value
        projected: Tensor = self.project(mixed.transpose(-2, -3).flatten(-2))
        return projected

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm_attention(x + self.dropout(self.attend(x)))
        wide = self.dropout(F.relu(self.widen(x)))
        y: Tensor = self.norm_network(x + self.dropout(self.narrow(wide)))
        return y
