"""What a head works with: every row of the table in "Use it in your network"."""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path
from typing import Any

import fsdp_worker
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forms import FORMS, build, name_of
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.torchvision_import import importable

importable()  # transformers imports torchvision

BATCHES = (1, 2, 7, 500)


def head_of(form: hl.DistanceSpec, k: int) -> hl.HarmonicHead:
    return hl.HarmonicHead(24, k, build(form, 24), exponent=5.0).eval()


def exported(head: nn.Module) -> Any:
    """For any number of rows."""
    rows = torch.export.Dim("rows")
    return torch.export.export(head, (torch.randn(5, 24),), dynamic_shapes=({0: rows},))


def close(found: Any, expected: Tensor) -> None:
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k", [10, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
@torch.no_grad()
def test_export_with_any_batch(form: hl.DistanceSpec, k: int) -> None:
    head = head_of(form, k)
    program = exported(head).module()
    for rows in BATCHES:
        x = torch.randn(rows, 24)
        close(program(x), head(x))


@pytest.mark.slow
@pytest.mark.parametrize("k", [10, 40])
@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_onnx_runtime_with_any_batch(form: hl.DistanceSpec, k: int, tmp_path: Path) -> None:
    import onnxruntime

    head, path = head_of(form, k), tmp_path / "head.onnx"
    rows = torch.export.Dim("rows")
    with contextlib.redirect_stdout(io.StringIO()):
        made = torch.onnx.export(
            head, (torch.randn(5, 24),), dynamo=True, dynamic_shapes=({0: rows},)
        )
    made.save(path)
    session = onnxruntime.InferenceSession(path)
    for n in BATCHES:
        x = torch.randn(n, 24)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        close(found, head(x))


@pytest.mark.slow
def test_ddp_and_fsdp2_are_one_process(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(fsdp_worker.run, (tmp_path,), nprocs=fsdp_worker.PROCESSES)
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in range(fsdp_worker.PROCESSES)]
    for distance in fsdp_worker.DISTANCES:
        alone = fsdp_worker.Classifier(distance)
        fsdp_worker.stepped(alone, *fsdp_worker.batch())
        for found in both:
            for way in ("DDP", "FSDP2"):
                for name, expected in fsdp_worker.whole(alone).items():
                    torch.testing.assert_close(found[f"{way} {distance}"][name], expected)
            assert 'register_fsdp_forward_method(head, "loss")' in found[f"told {distance}"]


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["euclidean", "manhattan"])
def test_a_compiled_network_trains_as_it_does_without(distance: str) -> None:
    def losses(compiled: bool) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), hl.HarmonicHead(16, 10, distance))
        call = torch.compile(model) if compiled else model
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        x, y, found = torch.randn(64, 8), torch.randint(10, (64,)), []
        for _ in range(20):
            loss = F.cross_entropy(call(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        return found

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_distances_are_those_of_the_features_in_float32(dtype: torch.dtype) -> None:
    body, head = nn.Linear(8, 16), hl.HarmonicHead(16, 40)
    x, y = torch.randn(5, 8), torch.randint(40, (5,))
    with torch.autocast("cpu", dtype):
        features = body(x)
        logits, loss = head(features), head.loss(features, y)
    assert (features.dtype, logits.dtype, loss.dtype) == (dtype, torch.float32, torch.float32)
    torch.testing.assert_close(logits, head(features.float()))
    torch.testing.assert_close(loss, F.cross_entropy(head(features.float()), y))


def test_safetensors_bring_back_a_network(tmp_path: Path) -> None:
    from safetensors.torch import load_model, save_model

    model = nn.Sequential(nn.Linear(8, 16), hl.HarmonicHead(16, 10, "cosine", exponent=2.5))
    other = nn.Sequential(nn.Linear(8, 16), hl.HarmonicHead(16, 10, "cosine"))
    save_model(model, str(tmp_path / "model.safetensors"))
    load_model(other, tmp_path / "model.safetensors")
    assert other[1].exponent == 2.5
    x = torch.randn(5, 8)
    assert torch.equal(other(x), model(x))
    wrong = nn.Sequential(nn.Linear(8, 16), hl.HarmonicHead(16, 10))
    with pytest.raises(ValueError, match=r"euclidean\(\).*cosine\(\)"):
        load_model(wrong, tmp_path / "model.safetensors")


# --- Trainer and PEFT ---------------------------------------------------------------------------


def small_gpt2(distance: str = "euclidean") -> Any:
    from transformers import GPT2LMHeadModel

    from harmonic_lib.huggingface import with_harmonic_head

    model_class = with_harmonic_head(GPT2LMHeadModel)
    sizes = {"vocab_size": 60, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2}
    rates = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    ends = {"bos_token_id": None, "eos_token_id": None}
    torch.manual_seed(0)
    config = model_class.config_class(
        **sizes, **rates, **ends, harmonic_head={"distance": distance}
    )
    return model_class(config)


def rows_of_uneven_length() -> list[dict[str, Tensor]]:
    """Six texts, of which 1, 7, 2, ... tokens count."""
    ids = torch.randint(60, (6, 8))
    labels = ids.clone()
    labels[:, 0] = -100  # no token predicts it, but Trainer would count it
    for row, counted in enumerate((1, 7, 2, 5, 1, 3)):
        labels[row, counted + 1 :] = -100
    return [{"input_ids": a, "labels": b} for a, b in zip(ids, labels, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["euclidean", "mahalanobis"])
def test_trainer_accumulates_uneven_batches_as_one(distance: str, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    rows, model = rows_of_uneven_length(), small_gpt2(distance)
    alone = copy.deepcopy(model).train()
    whole = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    optimiser = torch.optim.SGD(alone.parameters(), lr=0.5)
    alone(**whole).loss.backward()
    optimiser.step()

    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=3,
        max_steps=1,
        max_grad_norm=0.0,
        lr_scheduler_type="constant",
        report_to=[],
        use_cpu=True,
        save_strategy="no",
    )
    sgd = torch.optim.SGD(model.parameters(), lr=0.5)
    trainer = Trainer(model, arguments, train_dataset=rows, optimizers=(sgd, None))
    trainer.train()
    for (name, found), expected in zip(model.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(found, expected, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.slow
def test_peft_trains_a_body_by_lora_and_keeps_the_head(tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM, LoraConfig, get_peft_model

    base = small_gpt2("cosine")
    base.save_pretrained(tmp_path / "base")
    base.name_or_path = str(tmp_path / "base")
    base.config._name_or_path = str(tmp_path / "base")
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules=["c_attn"]))
    x = torch.randint(60, (3, 8))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(3):
        loss = model(input_ids=x, labels=x).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    model.save_pretrained(tmp_path / "adapter")
    loaded = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
    torch.testing.assert_close(loaded(input_ids=x).logits, model(input_ids=x).logits)
