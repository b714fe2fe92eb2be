"""The last linear layer of somebody's network, found and replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_models import TINY
from torch import nn

import harmonic_lib as hl
from harmonic_lib.torchvision_import import importable

importable()
import timm  # noqa: E402
import torchvision  # noqa: E402
import transformers  # noqa: E402


def gpt2(tied: bool = True) -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=60, n_positions=8, n_embd=32, n_layer=1, n_head=2, tie_word_embeddings=tied
    )
    return transformers.GPT2LMHeadModel(config)


def bert(kind: str) -> nn.Module:
    config = transformers.BertConfig(vocab_size=60, num_labels=5, **TINY)
    return getattr(transformers, f"Bert{kind}")(config)


#: model -> the name of its classifier, D, K
FOUND: dict[str, tuple[Callable[[], nn.Module], str, int, int]] = {
    "torchvision resnet18": (
        lambda: torchvision.models.resnet18(num_classes=7),
        "fc",
        512,
        7,
    ),
    "torchvision mobilenet": (
        lambda: torchvision.models.mobilenet_v3_small(num_classes=7),
        "classifier.3",
        1024,
        7,
    ),
    "torchvision vit": (
        lambda: torchvision.models.VisionTransformer(32, 16, 1, 2, 32, 32, num_classes=7),
        "heads.head",
        32,
        7,
    ),
    "timm resnet18": (lambda: timm.create_model("resnet18", num_classes=7), "fc", 512, 7),
    "timm vit": (
        lambda: timm.create_model("vit_tiny_patch16_224", num_classes=7, depth=1),
        "head",
        192,
        7,
    ),
    "timm convnext": (
        lambda: timm.create_model("convnext_atto", num_classes=7),
        "head.fc",
        320,
        7,
    ),
    "GPT-2": (gpt2, "lm_head", 32, 60),
    "GPT-2, not tied": (lambda: gpt2(tied=False), "lm_head", 32, 60),
    "BERT, masked": (lambda: bert("ForMaskedLM"), "cls.predictions.decoder", 32, 60),
    "BERT, sequences": (lambda: bert("ForSequenceClassification"), "classifier", 32, 5),
    "nn.Sequential": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7)),
        "2",
        8,
        7,
    ),
}


@pytest.mark.parametrize("which", FOUND)
def test_finds_the_classifier_and_says_so(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    build, name, width, classes = FOUND[which]
    model = build()
    assert hl.replace_head(model, "cosine", exponent=9) is model
    head = model.get_submodule(name)
    assert isinstance(head, hl.HarmonicHead)
    assert (head.in_features, head.num_classes, head.exponent) == (width, classes, 9)
    assert head.distance.spec.name == "cosine"
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: Linear({width}, {classes}), now cosine(), harmonic(")
    assert ("shared as before" in said) == (which in ("GPT-2", "BERT, masked"))


def test_a_shared_weight_stays_shared() -> None:
    model = hl.replace_head(gpt2(), quiet=True)
    assert model.lm_head.weight is model.transformer.wte.weight
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    assert model.lm_head.weight.grad is not None


def test_an_own_weight_is_drawn_anew() -> None:
    model = gpt2(tied=False)
    before = model.lm_head.weight
    hl.replace_head(model, quiet=True)
    assert model.lm_head.weight is not before
    assert model.lm_head.weight is not model.transformer.wte.weight


def test_the_head_is_where_and_as_the_layer_was() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 7)).to("meta", torch.bfloat16)
    head = hl.replace_head(model, "mahalanobis", quiet=True)[1]
    assert {(p.device.type, p.dtype) for p in head.parameters()} == {("meta", torch.bfloat16)}


def test_the_logits_of_a_resnet_come_from_its_head() -> None:
    model, x = torchvision.models.resnet18(num_classes=7).eval(), torch.randn(2, 3, 32, 32)
    body = nn.Sequential(*list(model.children())[:-1], nn.Flatten())
    hl.replace_head(model, quiet=True)
    torch.testing.assert_close(model(x), model.fc(body(x)))


def test_a_layer_can_be_named() -> None:
    model = nn.ModuleDict({"one": nn.Linear(4, 3), "two": nn.Linear(4, 5)})
    hl.replace_head(model, name="one", quiet=True)
    assert isinstance(model["one"], hl.HarmonicHead)
    assert isinstance(model["two"], nn.Linear)


NOT_FOUND: dict[str, tuple[Callable[[], nn.Module], dict[str, str], str]] = {
    "a convolution": (
        lambda: torchvision.models.squeezenet1_0(),
        {},
        r"SqueezeNet does not end in an nn.Linear, but in 'classifier.1', Conv2d\(512, 1000",
    ),
    "two heads": (
        lambda: timm.create_model("deit_tiny_distilled_patch16_224", depth=1),
        {},
        r"get_classifier\(\) gives 2 layers; say which layer, by name=",
    ),
    "a backbone of timm": (
        lambda: timm.create_model("resnet18", num_classes=0),
        {},
        "'fc' to be an nn.Linear, it is Identity",
    ),
    "a backbone of transformers": (
        lambda: bert("Model"),
        {},
        r"does not end in an nn.Linear of 5 classes, but in 'pooler.dense'",
    ),
    "a single output": (
        lambda: nn.Sequential(nn.Linear(4, 1)),
        {},
        "'0' of Sequential is for a single output",
    ),
    "no parameters": (nn.ReLU, {}, "ReLU has no parameters"),
    "a wrong name": (gpt2, {"name": "head"}, "GPT2LMHeadModel has no module 'head'"),
    "a name of something else": (
        gpt2,
        {"name": "transformer.ln_f"},
        "'transformer.ln_f' to be an nn.Linear, it is LayerNorm",
    ),
}


@pytest.mark.parametrize("which", NOT_FOUND)
def test_says_what_it_found_instead(which: str) -> None:
    build, options, message = NOT_FOUND[which]
    model = build()
    before = str(model)
    with pytest.raises(ValueError, match=message):
        hl.replace_head(model, **options)
    assert str(model) == before
