"""S modules of the same structure, computed together as one module; they share no parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


class Ensemble(nn.Module):
    """Members side by side, ``(S, B, ...) -> (S, B, K)``: member s takes ``x[s]``.

    Its parameters are the members' parameters, stacked to ``(S, ...)`` under their names. An
    optimiser such as AdamW works element by element. So training on the sum of the members'
    losses trains each member as if alone, up to the rounding of batched kernels. The noise
    of dropout and of noisy distances is drawn for each member separately.

    Args:
        members: modules that differ only in the values of their parameters and buffers.

    Raises:
        ValueError: no members.
    """

    template: nn.Module
    """A copy of a member, for its code and its mode; its parameters are never used."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("expected at least one member")
        self.size = len(members)
        params, buffers = stack_module_state(list(members))
        # a ParameterDict takes no dots
        self.stacked = nn.ParameterDict({key.replace(".", "/"): v for key, v in params.items()})
        for key, value in buffers.items():
            self.register_buffer(key.replace(".", "/"), value)
        self.buffer_names = list(buffers)
        # not a submodule: its own parameters are not trained
        object.__setattr__(self, "template", copy.deepcopy(members[0]))
        self.members = vmap(self.apply_one, randomness="different")

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The stacked parameters and buffers, by the members' own names."""
        params = {key.replace("/", "."): value for key, value in self.stacked.items()}
        return params, {key: getattr(self, key.replace(".", "/")) for key in self.buffer_names}

    def __getitem__(self, name: str) -> Tensor:
        """The stacked parameter (S, ...), by its name in a member."""
        stacked: Tensor = self.stacked[name.replace(".", "/")]
        return stacked

    def apply_one(self, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        output: Tensor = functional_call(self.template, (params, buffers), (x,))
        return output

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.members(*self.state(), x)
        return logits

    def train(self, mode: bool = True) -> Ensemble:
        super().train(mode)
        self.template.train(mode)
        return self

    @torch.no_grad()
    def write_back(self, members: Sequence[nn.Module]) -> None:
        """Copy the state of each member into a module of its structure."""
        params, buffers = self.state()
        for s, member in enumerate(members):
            for name, own in [*member.named_parameters(), *member.named_buffers()]:
                own.copy_((params | buffers)[name][s])
