"""The ensemble loop against single runs, and against AdamW written out by hand."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.training import accuracy, batches, fit

N, D, K = 30, 5, 3
EPOCHS, BATCH, LR, DECAY = 3, 8, 1e-2, 0.1  # batches of 8, 8, 8 and 6
SEEDS = [3, 1, 2]


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    return torch.randn(N, D, dtype=torch.float64), torch.randint(K, (N,))


@pytest.fixture
def heads() -> list[nn.Module]:
    return [hl.HarmonicHead(D, K).double() for _ in SEEDS]


def batches_by_hand(seed: int) -> Iterator[Tensor]:
    """The rows that a member with this seed sees, in all epochs."""
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        rows = torch.randperm(N, generator=order)
        yield from (rows[start : start + BATCH] for start in range(0, N, BATCH))


def adamw_by_hand(head: nn.Module, seed: int, x: Tensor, y: Tensor) -> None:
    """Loshchilov and Hutter 2019, algorithm 2, with PyTorch's default betas and epsilon."""
    weight = head.weight
    m = v = torch.zeros_like(weight)
    for step, rows in enumerate(batches_by_hand(seed), 1):
        (gradient,) = torch.autograd.grad(F.cross_entropy(head(x[rows]), y[rows]), weight)
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
        with torch.no_grad():
            weight -= LR * (m_hat / (v_hat.sqrt() + 1e-8) + DECAY * weight)


def train(models: list[nn.Module], seeds: list[int], x: Tensor, y: Tensor) -> Tensor:
    return fit(models, seeds, x, y, epochs=EPOCHS, batch_size=BATCH, lr=LR, weight_decay=DECAY)


def test_each_member_gets_what_adamw_by_hand_gives(
    heads: list[nn.Module], data: tuple[Tensor, Tensor]
) -> None:
    expected = copy.deepcopy(heads)
    train(heads, SEEDS, *data)
    for head, other, seed in zip(heads, expected, SEEDS, strict=True):
        adamw_by_hand(other, seed, *data)
        torch.testing.assert_close(head.weight, other.weight, rtol=1e-8, atol=1e-10)


def test_an_ensemble_is_its_members_alone(
    heads: list[nn.Module], data: tuple[Tensor, Tensor]
) -> None:
    alone = copy.deepcopy(heads)
    history = train(heads, SEEDS, *data)
    for s, seed in enumerate(SEEDS):
        own = train([alone[s]], [seed], *data)
        torch.testing.assert_close(alone[s].weight, heads[s].weight, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(own[:, 0], history[:, s])


def test_the_history_is_the_mean_loss_also_with_a_short_last_batch(
    heads: list[nn.Module], data: tuple[Tensor, Tensor]
) -> None:
    x, y = data
    history = fit(heads, SEEDS, x, y, epochs=2, batch_size=BATCH, lr=0.0)
    losses = torch.stack([F.cross_entropy(head(x), y).detach() for head in heads]).float()
    torch.testing.assert_close(history, losses.expand(2, -1))


def test_a_batch_larger_than_the_data_is_all_of_it(
    heads: list[nn.Module], data: tuple[Tensor, Tensor]
) -> None:
    others = copy.deepcopy(heads)
    larger = fit(heads, SEEDS, *data, epochs=2, batch_size=10 * N)
    torch.testing.assert_close(larger, fit(others, SEEDS, *data, epochs=2, batch_size=N))


def test_training_lowers_the_loss(data: tuple[Tensor, Tensor]) -> None:
    history = fit([nn.Linear(D, K).double()], [0], *data, epochs=20, batch_size=BATCH, lr=LR)
    assert history.shape == (20, 1)
    assert history[-1] < history[0]


def test_the_same_seed_gives_the_same_weights(
    heads: list[nn.Module], data: tuple[Tensor, Tensor]
) -> None:
    others = copy.deepcopy(heads)
    train(heads, SEEDS, *data)
    train(others, SEEDS, *data)
    for head, other in zip(heads, others, strict=True):
        assert torch.equal(head.weight, other.weight)


def test_every_member_sees_every_row_once_in_an_order_of_its_own() -> None:
    orders = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    rows = list(batches(orders, N, BATCH, torch.device("cpu")))
    assert [batch.shape for batch in rows] == [(3, 8), (3, 8), (3, 8), (3, 6)]
    epoch = torch.cat(rows, dim=1)
    assert torch.equal(epoch.sort(dim=1).values, torch.arange(N).expand(3, -1))
    assert not torch.equal(epoch[0], epoch[1])


def test_every_member_keeps_its_own_buffers(data: tuple[Tensor, Tensor]) -> None:
    class Shifted(nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.register_buffer("shift", torch.tensor(shift))
            self.head = hl.HarmonicHead(D, K).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x + self.shift)

    models = [Shifted(1.0), Shifted(2.0)]
    fit(models, [0, 1], *data, epochs=1)
    assert [float(model.shift) for model in models] == [1, 2]


def test_one_seed_a_model_is_asked_for(heads: list[nn.Module], data: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="one seed a model, got 3 models, 2 seeds"):
        fit(heads, SEEDS[:2], *data, epochs=1)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 1000])
def test_accuracy_is_the_share_of_hits(batch_size: int) -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 2.0]])
    y = torch.tensor([0, 1, 1, 1])
    assert accuracy(nn.Identity(), logits, y, batch_size) == 0.75
