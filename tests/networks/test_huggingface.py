"""transformers models with a harmonic head: saved, loaded, trained without logits, generating."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import TINY
from torch import Tensor, nn

import harmonic_lib as hl
from harmonic_lib.huggingface import with_harmonic_head
from harmonic_lib.torchvision_import import importable

importable()
import transformers  # noqa: E402

TEXT = {"vocab_size": 60}
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
GPT2 = {
    **{"vocab_size": 60, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2},
    **{"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    **{"bos_token_id": None, "eos_token_id": None},
}

#: base -> configuration, Auto class
MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "GPT2LMHeadModel": (GPT2, "AutoModelForCausalLM"),
    "Qwen2ForCausalLM": ({"num_key_value_heads": 2, **TEXT, **TINY}, "AutoModelForCausalLM"),
    "BertForMaskedLM": ({**TEXT, **TINY, **WITHOUT_DROPOUT}, "AutoModelForMaskedLM"),
    "BertForSequenceClassification": (
        {"num_labels": 5, **TEXT, **TINY},
        "AutoModelForSequenceClassification",
    ),
    "ViTForImageClassification": (
        {"image_size": 16, "patch_size": 8, "num_labels": 5, **TINY},
        "AutoModelForImageClassification",
    ),
    "DeiTForImageClassificationWithTeacher": (
        {"image_size": 16, "patch_size": 8, "num_labels": 5, **TINY},
        "AutoModelForImageClassification",
    ),
    "ResNetForImageClassification": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_labels": 5},
        "AutoModelForImageClassification",
    ),
}
LANGUAGE = ("GPT2LMHeadModel", "Qwen2ForCausalLM", "BertForMaskedLM")
HEADS: dict[str, dict[str, Any]] = {
    "default": {},
    "cosine": {"distance": "cosine", "exponent": 3.3},
    "learnt": {"distance": "mahalanobis", "options": {"form": "diagonal"}},
    "minkowski": {"distance": "minkowski", "options": {"p": 3.0}},
    "cosine softmax": {"link": "cosine_softmax"},
    "gaussian": {"link": "gaussian", "link_options": {"sigma": 2.0}},
}


def model_of(base: str, head: Mapping[str, Any] | None = None, **options: Any) -> Any:
    model_class = with_harmonic_head(getattr(transformers, base))
    config = {**MODELS[base][0], **options}
    return model_class(model_class.config_class(**config, harmonic_head=head)).eval()


def inputs(base: str) -> dict[str, Tensor]:
    if "Image" in base:
        return {"pixel_values": torch.randn(2, 3, 16, 16)}
    return {"input_ids": torch.randint(60, (3, 8))}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("base", [name for name in MODELS if "Teacher" not in name])
def test_comes_back_exactly_through_the_auto_class(base: str, head: str, tmp_path: Path) -> None:
    model, x = model_of(base, HEADS[head]), inputs(base)
    if model.harmonic_head.exponent is not None:
        model.harmonic_head.exponent += 0.123
    for parameter in model.harmonic_head.parameters():
        nn.init.normal_(parameter)
    expected = model(**x).logits
    model.save_pretrained(tmp_path)
    auto = getattr(transformers, MODELS[base][1])
    loaded, told = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    assert type(loaded) is type(model)
    assert loaded.harmonic_head.in_short() == model.harmonic_head.in_short()
    assert torch.equal(loaded.eval()(**x).logits, expected)


def test_the_saved_exponent_is_that_of_the_head(tmp_path: Path) -> None:
    model = model_of("GPT2LMHeadModel", {"distance": "cosine"})
    model.harmonic_head.match(torch.randn(50, 32), spread=2.0)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "harmonic-gpt2"
    assert config["harmonic_head"] == {
        "distance": "cosine",
        "exponent": model.harmonic_head.exponent,
    }


def test_another_head_than_the_saved_one_is_refused(tmp_path: Path) -> None:
    model_of("GPT2LMHeadModel", {"distance": "cosine"}).save_pretrained(tmp_path)
    with pytest.raises((ValueError, RuntimeError), match=r"manhattan\(\).*cosine\(\)"):
        with_harmonic_head(transformers.GPT2LMHeadModel).from_pretrained(
            tmp_path, harmonic_head={"distance": "manhattan"}
        )


@pytest.mark.parametrize("base", LANGUAGE)
@pytest.mark.parametrize("count", [None, 40])
def test_the_loss_in_training_is_that_of_the_logits(base: str, count: int | None) -> None:
    model, x = model_of(base, {"distance": "cosine"}), inputs(base)
    labels = x["input_ids"].masked_fill(torch.rand(3, 8) < 0.3, -100)
    logits = model(**x).logits
    shift = int(base != "BertForMaskedLM")
    places = slice(shift, None)
    flat = logits[:, : logits.shape[1] - shift].flatten(0, 1), labels[:, places].flatten()
    expected = F.cross_entropy(*flat, reduction="mean" if count is None else "sum") / (count or 1)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    model.train()
    named = {} if count is None else {"num_items_in_batch": count}
    output = model(**x, labels=labels, **named)
    assert output.logits is None
    torch.testing.assert_close(output.loss, expected)
    found = torch.autograd.grad(output.loss, list(model.parameters()))
    for ours, theirs in zip(found, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("base", LANGUAGE)
def test_in_evaluation_there_are_logits_and_the_same_loss(base: str) -> None:
    model, x = model_of(base), inputs(base)
    output = model(**x, labels=x["input_ids"])
    assert output.logits.shape == (3, 8, 60)
    model.train()
    torch.testing.assert_close(model(**x, labels=x["input_ids"]).loss, output.loss)
    model.eval()
    torch.testing.assert_close(model(**x, labels=x["input_ids"]).logits, output.logits)


def test_a_base_that_does_more_with_its_logits_keeps_them() -> None:
    """Mixtral adds a loss of its own, Cohere scales its logits, BART does not shift its labels."""
    text = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    bart = {"vocab_size": 60, "d_model": 32, "decoder_layers": 1, "decoder_attention_heads": 2}
    router = {"output_router_logits": True, "router_aux_loss_coef": 1.0}
    cases = {
        "MixtralForCausalLM": text | heads | {"num_local_experts": 4} | router,
        "CohereForCausalLM": text | heads | {"logit_scale": 0.25} | ends,
        "BartForCausalLM": bart | ends | {"dropout": 0.0, "decoder_layerdrop": 0.0},
    }
    for name, config in cases.items():
        model_class = with_harmonic_head(getattr(transformers, name))
        model, ids = model_class(model_class.config_class(**config)), torch.randint(3, 60, (2, 9))
        in_training = model.train()(input_ids=ids, labels=ids).loss
        torch.testing.assert_close(in_training, model.eval()(input_ids=ids, labels=ids).loss)


def test_a_body_that_the_base_makes_by_automodel() -> None:
    small = {"vocab_size": 60, "num_labels": 5, "pad_token_id": 0, "num_key_value_heads": 2, **TINY}
    model_class = with_harmonic_head(transformers.LlamaForSequenceClassification)
    model = model_class(model_class.config_class(**small))
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 5)


def test_a_model_can_be_pickled() -> None:
    model, x = model_of("GPT2LMHeadModel", {"distance": "cosine"}), inputs("GPT2LMHeadModel")
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again(**x).logits, model(**x).logits)


def test_the_layer_can_be_named() -> None:
    with pytest.raises(ValueError, match=r"has 2 layers of 5 classes: .*cls_classifier"):
        model_of("DeiTForImageClassificationWithTeacher")
    model = model_of("DeiTForImageClassificationWithTeacher", {"name": "distillation_classifier"})
    assert model.harmonic_name == "distillation_classifier"
    assert isinstance(model.cls_classifier, nn.Linear)


@pytest.mark.parametrize("base", ["BertForMaskedLM", "GPT2LMHeadModel"])
def test_a_replaced_head_can_be_tied_and_resized_again(base: str) -> None:
    model = getattr(transformers, base)(getattr(transformers, base).config_class(**MODELS[base][0]))
    hl.replace_head(model, quiet=True)
    model.tie_weights()
    model.resize_token_embeddings(70)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model(**inputs(base)).logits.shape == (3, 8, 70)


def test_a_tuple_is_given_where_one_is_asked_for() -> None:
    model, x = model_of("GPT2LMHeadModel").train(), inputs("GPT2LMHeadModel")
    loss, *_ = model(**x, labels=x["input_ids"], return_dict=False)
    torch.testing.assert_close(loss, model(**x, labels=x["input_ids"]).loss)


def test_classifiers_train_by_their_own_loss() -> None:
    model = model_of("ViTForImageClassification").train()
    output = model(**inputs("ViTForImageClassification"), labels=torch.tensor([1, 4]))
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, torch.tensor([1, 4])))


def test_generates_the_nearest_token() -> None:
    model, start = model_of("GPT2LMHeadModel"), torch.tensor([[1, 2, 3]])
    text = model.generate(start, max_new_tokens=4, do_sample=False, pad_token_id=0)
    ids = start
    for _ in range(4):
        ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(text, ids)


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_can_be_resized(tied: bool) -> None:
    model = model_of("GPT2LMHeadModel", {"distance": "cosine"}, tie_word_embeddings=tied)
    old = model.harmonic_head.weight.detach().clone()
    model.resize_token_embeddings(64)
    assert (model.harmonic_head.num_classes, model.harmonic_head.out_features) == (64, 64)
    assert (model.harmonic_head.weight is model.transformer.wte.weight) == tied
    assert torch.equal(model.harmonic_head.weight[:60], old)
    assert model(input_ids=torch.tensor([[63]])).logits.shape == (1, 1, 64)


@pytest.mark.parametrize("base", ["GPT2LMHeadModel", "BertForMaskedLM"])
def test_the_weight_is_shared_as_in_the_base(base: str) -> None:
    model = model_of(base)
    assert model.harmonic_head.weight is model.get_input_embeddings().weight
    assert not any(name.endswith("decoder.bias") for name, _ in model.named_parameters())


def test_a_saved_base_gives_its_body_and_its_tied_prototypes(tmp_path: Path) -> None:
    base = transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2)).eval()
    base.save_pretrained(tmp_path)
    model = with_harmonic_head(transformers.GPT2LMHeadModel).from_pretrained(tmp_path).eval()
    x = torch.tensor([[1, 2, 3]])
    hidden = base.transformer(x).last_hidden_state
    assert torch.equal(model.transformer(x).last_hidden_state, hidden)
    assert torch.equal(model.harmonic_head.weight, base.transformer.wte.weight)


def test_the_weights_of_a_missing_head_are_drawn(tmp_path: Path) -> None:
    base = transformers.BertForSequenceClassification(
        transformers.BertConfig(num_labels=5, initializer_range=0.5, **TEXT, **TINY)
    )
    base.bert.save_pretrained(tmp_path)
    model_class = with_harmonic_head(transformers.BertForSequenceClassification)
    model = model_class.from_pretrained(
        tmp_path, num_labels=5, harmonic_head={"distance": "mahalanobis"}
    )
    deviation = float(model.harmonic_head.weight.detach().std())
    assert deviation == pytest.approx(0.1 / 32**0.5, rel=0.25)
    torch.testing.assert_close(model.harmonic_head.distance.precision, torch.eye(32))


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ({"distance": "cosin"}, ValueError, "did you mean 'cosine'"),
        (
            {"dist": "cosine"},
            TypeError,
            "unknown option of harmonic_head: 'dist'; did you mean 'di",
        ),
        ({"options": {"p": 3}}, TypeError, "unknown option of euclidean: 'p'"),
        ({"exponent": -1}, ValueError, "exponent must be a positive finite number"),
    ],
)
def test_a_wrong_setting_is_named(head: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        model_of("GPT2LMHeadModel", head)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("SequenceClassification", {"num_labels": 1}, "'classifier' of .* is for a single output"),
        (
            "SequenceClassification",
            {"num_labels": 3, "problem_type": "multi_label_classification"},
            "is for multi label classification",
        ),
        ("QuestionAnswering", {}, "'qa_outputs' of .* is for a softmax over positions"),
    ],
)
def test_what_is_no_softmax_over_classes_is_refused(
    kind: str, options: dict[str, Any], message: str
) -> None:
    base = getattr(transformers, f"BertFor{kind}")
    config = transformers.BertConfig(**options, **TEXT, **TINY)
    with pytest.raises(ValueError, match=message):
        hl.replace_head(base(config))
    model_class = with_harmonic_head(base)
    with pytest.raises(ValueError, match=message):
        model_class(model_class.config_class(**options, **TEXT, **TINY))


def test_a_classifier_of_answers_is_replaced() -> None:
    config = transformers.VisualBertConfig(num_labels=5, visual_embedding_dim=16, **TEXT, **TINY)
    model = hl.replace_head(transformers.VisualBertForQuestionAnswering(config), quiet=True)
    assert isinstance(model.cls, hl.HarmonicHead)


def test_a_configuration_without_a_head_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs a HarmonicGPT2Config, .* got a GPT2Config"):
        with_harmonic_head(transformers.GPT2LMHeadModel)(transformers.GPT2Config())


def test_a_checkpoint_of_the_base_gives_its_rows_as_first_prototypes(tmp_path: Path) -> None:
    base = transformers.BertForSequenceClassification(
        transformers.BertConfig(num_labels=5, **TEXT, **TINY)
    )
    base.save_pretrained(tmp_path)
    model_class = with_harmonic_head(transformers.BertForSequenceClassification)
    model = model_class.from_pretrained(tmp_path, harmonic_head={"distance": "cosine"})
    assert torch.equal(model.harmonic_head.weight, base.classifier.weight)


@pytest.mark.parametrize("base", [nn.Linear, "GPT2LMHeadModel", transformers.GPT2Config])
def test_what_is_no_model_class_is_refused(base: Any) -> None:
    with pytest.raises(TypeError, match="expected the class of a transformers model, got"):
        with_harmonic_head(base)


def test_the_same_class_each_time() -> None:
    base = transformers.GPT2LMHeadModel
    assert with_harmonic_head(base) is with_harmonic_head(base)
