"""The ensemble loop against single runs, and against AdamW written out by hand."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fabric_worker
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.ensemble import Ensemble
from harmonic_lib.training import accuracy, batches, fit
from harmonic_lib.training import train as loop

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


def ensemble(count: int = 2) -> Ensemble:
    return Ensemble([hl.HarmonicHead(D, K).double() for _ in range(count)])


def test_members_may_have_data_of_their_own(heads: list[nn.Module]) -> None:
    x, y = torch.randn(3, N, D, dtype=torch.float64), torch.randint(K, (3, N))
    alone = copy.deepcopy(heads)
    together = Ensemble(heads)
    options = {"epochs": EPOCHS, "batch_size": BATCH, "lr": LR, "weight_decay": DECAY}
    loop(together, SEEDS, x, y, **options)
    together.write_back(heads)
    for s, seed in enumerate(SEEDS):
        train([alone[s]], [seed], x[s], y[s])
        torch.testing.assert_close(alone[s].weight, heads[s].weight, rtol=1e-8, atol=1e-10)


def test_a_shared_weight_stays_shared() -> None:
    embedding = nn.Embedding(K, D)
    tied = nn.Sequential(embedding, hl.HarmonicHead(D, K, weight=embedding.weight)).double()
    together = Ensemble([tied, copy.deepcopy(tied)])
    assert len(list(together.parameters())) == 1
    x = torch.randint(K, (2, 4))
    torch.testing.assert_close(together(x)[0], tied(x[0]))


def test_what_is_watched_is_out_of_training_mode_and_kept(data: tuple[Tensor, Tensor]) -> None:
    modes = []

    def watch(seen: Ensemble) -> dict[str, Tensor]:
        modes.append((seen.training, seen.template.training, torch.is_grad_enabled()))
        return {"norm": seen["weight"].flatten(1).norm(dim=1)}

    trained = ensemble()
    history = loop(trained, [0, 1], *data, epochs=EPOCHS, watch=watch)
    assert modes == [(False, False, False)] * EPOCHS
    last = trained["weight"].detach().flatten(1).norm(dim=1)
    torch.testing.assert_close(history["norm"][-1], last.float())


def test_a_penalty_is_added_to_the_gradient_and_not_to_the_history(
    data: tuple[Tensor, Tensor],
) -> None:
    start = ensemble()
    pulled = copy.deepcopy(start)
    options = {"epochs": 1, "batch_size": N, "lr": 0.5, "weight_decay": 0.0}
    plain = loop(start, [0, 1], *data, **options)
    history = loop(
        pulled, [0, 1], *data, penalty=lambda e: 1e6 * e["weight"].flatten(1).sum(1), **options
    )
    torch.testing.assert_close(history["loss"], plain["loss"])
    # AdamW's first step is the sign of the gradient
    assert (pulled["weight"] < start["weight"] + 1e-9).all()
    assert not torch.equal(pulled["weight"], start["weight"])


class Noisy(nn.Module):
    """A head behind dropout: its outcome depends on the random state, too."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.head = nn.Dropout(0.5), hl.HarmonicHead(D, K).double()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(x))
        return logits


@pytest.mark.parametrize("stops", [[1], [2, 3], [4]])
def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(
    data: tuple[Tensor, Tensor], tmp_path: Path, stops: list[int]
) -> None:
    start = Ensemble([Noisy(), Noisy()])
    options = {"batch_size": BATCH, "lr": LR}
    whole = copy.deepcopy(start)
    torch.manual_seed(7)
    expected = loop(whole, [0, 1], *data, epochs=5, **options)
    torch.manual_seed(7)
    for epochs in [*stops, 5]:
        part = copy.deepcopy(start)
        history = loop(
            part, [0, 1], *data, epochs=epochs, checkpoint=tmp_path / "run", every=1, **options
        )
    torch.testing.assert_close(part["head.weight"], whole["head.weight"], rtol=0, atol=0)
    torch.testing.assert_close(history["loss"], expected["loss"], rtol=0, atol=0)
    assert (history["seconds"] > 0).all()  # of the epochs before the cuts, too
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_checkpoint_of_another_run_is_refused(
    data: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    loop(ensemble(), [0, 1], *data, epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="checkpoint of another run"):
        loop(ensemble(), [0, 2], *data, epochs=2, checkpoint=tmp_path / "run")


def test_a_checkpoint_holds_no_code(data: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    loop(ensemble(), [0, 1], *data, epochs=1, checkpoint=tmp_path / "run")
    state = torch.load(tmp_path / "run", weights_only=True)
    assert set(state["module"]) == {"stacked.weight"}


def test_two_processes_give_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Half of each batch for each, gradients exchanged by DistributedDataParallel; float32."""
    alone = fabric_worker.losses(processes=1)
    command = [sys.executable, fabric_worker.__file__, str(tmp_path / "losses.pt")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    both = torch.load(tmp_path / "losses.pt")
    torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-6)


def test_bfloat16_trains(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    heads = Ensemble([hl.HarmonicHead(D, K) for _ in range(2)])
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    history = loop(heads, [0, 1], x.float(), y, epochs=20, lr=LR, fabric=fabric)
    assert (history["loss"][-1] < history["loss"][0]).all()
    assert heads["weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((5, D), (4,), r"got \(5, 5\) and \(4,\)"),
        ((3, 5, D), (3, 5), "expected data of 2 members, got 3"),
        ((2, 5, D), (2, 4), r"got \(2, 5, 5\) and \(2, 4\)"),
    ],
)
def test_data_that_do_not_fit_are_refused(
    x: tuple[int, ...], y: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loop(ensemble(), [0, 1], torch.randn(x), torch.zeros(y, dtype=torch.long), epochs=1)


def test_no_members_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])
