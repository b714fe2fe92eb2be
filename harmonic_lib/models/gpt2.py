"""transformers' GPT-2, small and not trained: token ids (N, L) -> features (N, L, D)."""

from __future__ import annotations

from torch import Tensor, nn

from harmonic_lib.torchvision_import import importable


class Gpt2(nn.Module):
    """Without dropout; its last LayerNorm gives features of length about sqrt(D)."""

    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        importable()
        from transformers import GPT2Config, GPT2Model

        config = GPT2Config(
            vocab_size=vocabulary,
            n_positions=context,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=None,
            eos_token_id=None,
            use_cache=False,
        )
        self.model = GPT2Model(config)

    @property
    def embedding(self) -> nn.Parameter:
        """The vectors of the tokens, (V, D), which a head may share."""
        weight: nn.Parameter = self.model.wte.weight
        return weight

    def forward(self, ids: Tensor) -> Tensor:
        features: Tensor = self.model(ids).last_hidden_state
        return features
