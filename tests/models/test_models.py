"""The small networks against sums by hand, their parameter counts, and the released recipe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harmonic_lib.data.tasks import task
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.experiments.algorithmic import as_released, build, like_for_like
from harmonic_lib.models.encoder import EncoderLayer
from harmonic_lib.models.tied import LinearHead, ReleasedHead
from harmonic_lib.models.tokens import TokenMLP, TokenTransformer

FACTS = task("modular_addition")


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("head", "count"), [("cross-entropy", 5443), ("harmonic", 5412)])
def test_the_released_mlp_has_the_released_number_of_parameters(head: str, count: int) -> None:
    assert parameters(build(as_released("modular_addition", head), FACTS, 0)) == count


@pytest.mark.parametrize(
    # the released ones hold a linear layer besides that nothing uses: 31 * 16 + 31
    ("head", "count"),
    [("cross-entropy", 7615 - 527), ("harmonic", 8111 - 527)],
)
def test_the_released_transformer_too(head: str, count: int) -> None:
    config = as_released("modular_addition", head, "transformer")
    assert parameters(build(config, FACTS, 0)) == count


def test_like_for_like_networks_differ_in_the_logits_alone() -> None:
    linear = build(like_for_like("modular_addition", None), FACTS, 5)
    harmonic = build(like_for_like("modular_addition", "euclidean", 2.0), FACTS, 5)
    ours, theirs = dict(linear.named_parameters()), dict(harmonic.named_parameters())
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("model", ["mlp", "transformer"])
def test_a_seed_gives_a_network_and_leaves_the_random_state_alone(model: str) -> None:
    config = like_for_like("modular_addition", "euclidean", 2.0, model=model)
    before = torch.get_rng_state()
    first, again, other = (build(config, FACTS, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        if a.unique().numel() > 1:  # not a layer norm's
            assert not torch.equal(a, c)


def test_the_mlp_by_hand() -> None:
    embedding = nn.Embedding(7, 3)
    model = TokenMLP(embedding, LinearHead(embedding.weight, bias=True), tokens=2, hidden=5)
    x = torch.tensor([[1, 4]])
    e = torch.cat([embedding.weight[1], embedding.weight[4]])
    h = model.hidden.weight @ e + model.hidden.bias
    h = model.out.weight @ (h * torch.sigmoid(h)) + model.out.bias
    expected = embedding.weight @ h + model.head.bias
    torch.testing.assert_close(model(x)[0], expected)


def twin(layer: EncoderLayer, width: int, hidden: int) -> nn.TransformerEncoderLayer:
    """PyTorch's own layer with the same weights."""
    other = nn.TransformerEncoderLayer(width, layer.heads, hidden, batch_first=True)
    pairs = {
        "self_attn.in_proj_": layer.query_key_value,
        "self_attn.out_proj.": layer.project,
        "linear1.": layer.widen,
        "linear2.": layer.narrow,
        "norm1.": layer.norm_attention,
        "norm2.": layer.norm_network,
    }
    other.load_state_dict(
        {f"{name}{part}": p for name, own in pairs.items() for part, p in own.named_parameters()}
    )
    return other.double().eval()


def test_the_encoder_layer_is_pytorchs() -> None:
    layer = EncoderLayer(16, 2, 64, 0.1).double().eval()
    x = torch.randn(3, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(layer(x), twin(layer, 16, 64)(x))


def test_the_encoder_layer_is_drawn_as_pytorchs_is() -> None:
    ours, theirs = EncoderLayer(64, 2, 256, 0.1), nn.TransformerEncoderLayer(64, 2, 256)
    for name, mine in twin(ours, 64, 256).named_parameters():
        std = theirs.get_parameter(name).std()
        torch.testing.assert_close(mine.std().float(), std, rtol=0.15, atol=1e-6)


def test_dropout_drops_while_training_alone() -> None:
    layer, x = EncoderLayer(16, 2, 64, 0.5), torch.randn(3, 5, 16)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))


def test_the_transformer_reads_the_last_position_with_a_residual_around_each_layer() -> None:
    embedding = nn.Embedding(7, 4)
    model = TokenTransformer(embedding, nn.Identity(), tokens=3).eval()
    x = torch.tensor([[1, 4, 2], [0, 0, 6]])
    h = embedding(x) + model.position
    for layer in model.layers:
        h = h + layer(h)
    torch.testing.assert_close(model(x), h[:, -1])


@pytest.mark.parametrize("training", [False, True])
def test_transformers_in_an_ensemble_are_the_transformers(training: bool) -> None:
    config = like_for_like("modular_addition", "euclidean", 2.0, model="transformer")
    members = [build(config, FACTS, seed) for seed in range(3)]
    for member in members:
        for layer in member.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    together = Ensemble(members).train(training)
    x = FACTS.x[torch.randint(961, (3, 8))]
    for s, member in enumerate(members):
        with torch.no_grad():
            torch.testing.assert_close(together(x)[s], member.train(training)(x[s]))


def test_the_released_head_is_the_power_form_on_squares() -> None:
    weight = nn.Parameter(torch.randn(6, 4, dtype=torch.float64))
    x = torch.randn(5, 4, dtype=torch.float64)
    power = 1 / (torch.cdist(x, weight).square() + 1e-4)
    expected = power / power.sum(1, keepdim=True)
    torch.testing.assert_close(ReleasedHead(weight)(x).softmax(1), expected)
