"""Sizes of transformers models that tests can afford."""

from __future__ import annotations

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
