"""transformers models with a harmonic head: saved, loaded, trained and generating like any other.

Needs transformers: ``pip install "harmonic-lib[hf]"``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.checks import check_options
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.harmax import link as link_of
from harmonic_lib.head import HarmonicHead
from harmonic_lib.replace import classifier_name, put, shared_weight
from harmonic_lib.torchvision_import import importable

importable()  # transformers imports torchvision where it is installed
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel  # noqa: E402
from transformers.models.auto import modeling_auto  # noqa: E402
from transformers.models.auto.auto_factory import _BaseAutoModelClass  # noqa: E402


@functools.cache
def with_harmonic_head(base: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """A subclass of a transformers model whose classifier or ``lm_head`` is a harmonic head.

    Its configuration has one field more, ``harmonic_head``: a dict of what :func:`build_head`
    takes. It is registered with the ``Auto`` classes of its base, as model type "harmonic-" + that
    of the base; call this function before their ``from_pretrained``.

    In training a language model computes its loss from ``labels`` by
    :meth:`~harmonic_lib.HarmonicHead.loss`, without logits: then ``output.logits`` is None. In
    evaluation, and in all other models, logits and loss are computed as in the base.

    Args:
        base: a class such as ``GPT2LMHeadModel`` or ``ViTForImageClassification``.

    Raises:
        TypeError: it is not the class of a transformers model.
        ValueError: (when a model is made) its classifier is not an ``nn.Linear``.
    """
    if not (isinstance(base, type) and issubclass(base, PreTrainedModel)):
        raise TypeError(f"expected the class of a transformers model, got {base!r}")

    class Model(HarmonicModel, base):  # type: ignore[misc]
        config_class = config_with_head(base.config_class)

        @functools.wraps(base.forward)  # Trainer reads the names of the arguments off it
        def forward(self, *arguments: Any, **named: Any) -> Any:
            return self.without_logits(super().forward, *arguments, **named)

    Model.__name__ = Model.__qualname__ = f"Harmonic{base.__name__}"
    Model.shift = 1 if base.__name__ in names_in("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES") else 0
    Model.many_classes = Model.shift == 1 or base.__name__ in names_in(
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES"
    )
    for auto in auto_classes(base.__name__):
        auto.register(Model.config_class, Model, exist_ok=True)
    return Model


@functools.cache
def config_with_head(base: type[PreTrainedConfig]) -> type[PreTrainedConfig]:
    """The configuration of a model, with the field ``harmonic_head``."""

    class Config(base):  # type: ignore[misc]
        model_type = f"harmonic-{base.model_type}"
        harmonic_head: dict[str, Any] | None = None

    Config.__name__ = Config.__qualname__ = f"Harmonic{base.__name__}"
    AutoConfig.register(Config.model_type, Config, exist_ok=True)
    return Config


class HarmonicModel(PreTrainedModel):  # type: ignore[misc]
    """What :func:`with_harmonic_head` adds to a model."""

    shift: int
    """By how many places the labels are ahead of the features: 1 in a causal language model."""
    many_classes: bool
    """Whether the loss is computed without logits in training."""

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        self.head_name = classifier_name(self)
        old = self.get_submodule(self.head_name)
        if not isinstance(old, nn.Linear):
            raise ValueError(f"expected {self.head_name!r} to be an nn.Linear, it is {old}")
        self.drop_bias(f"{self.head_name}.bias")
        shared = shared_weight(old, self)
        options = config.harmonic_head or {}
        check_options("harmonic_head", functools.partial(build_head, 1, 1, None), options)
        head = build_head(old.in_features, old.out_features, shared, **options)
        put(self, self.head_name, head.to(old.weight.device, old.weight.dtype))

    @property
    def head(self) -> Head:
        """The harmonic head."""
        return self.get_submodule(self.head_name)  # type: ignore[no-any-return]

    def without_logits(self, forward: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """``forward``, with the loss by ``head.loss`` where there are many classes to train."""
        labels = named.get("labels")
        if labels is None or not (self.training and self.many_classes):
            return forward(*arguments, **named)
        as_tuple = named.pop("return_dict", True) is False
        count = named.pop("num_items_in_batch", None)
        self.head.passes = True
        try:
            output = forward(*arguments, **{**named, "labels": None})
        finally:
            self.head.passes = False
        features = output["logits"]
        if self.shift:
            labels = named.get("shift_labels", F.pad(labels, (0, 1), value=-100)[..., 1:])
        reduction = "mean" if count is None else "sum"  # Trainer counts all labels of a step
        loss = self.head.loss(features, labels.to(features.device), reduction=reduction)
        others = {key: value for key, value in output.items() if key != "logits"}
        output = type(output)(loss=loss if count is None else loss / count, **others)
        return output.to_tuple() if as_tuple else output

    def drop_bias(self, name: str) -> None:
        """Take out a parameter that is tied to the head's bias, which is no more."""
        for attribute in ("_tied_weights_keys", "all_tied_weights_keys"):
            tied = getattr(self, attribute)
            if isinstance(tied, dict) and name in tied:
                setattr(self, attribute, {key: v for key, v in tied.items() if key != name})
                owner, _, last = tied[name].rpartition(".")
                self.get_submodule(owner).register_parameter(last, None)

    def _init_weights(self, module: nn.Module) -> None:
        if not isinstance(module, HarmonicHead | Distance):
            super()._init_weights(module)
        elif not is_shared_head(module, self):
            getattr(module, "reset_parameters", lambda: None)()  # most distances have none

    def _get_resized_lm_head(self, old: nn.Module, *arguments: Any, **named: Any) -> nn.Module:
        if not isinstance(old, Head):
            return super()._get_resized_lm_head(old, *arguments, **named)  # type: ignore[no-any-return]
        linear = nn.Linear(old.in_features, old.num_classes, bias=False, device="meta")
        linear.weight = old.weight
        old.weight = super()._get_resized_lm_head(linear, *arguments, **named).weight
        return old

    def save_pretrained(self, folder: str | os.PathLike[str], **named: Any) -> None:
        if self.head.exponent is not None:  # it may have been set since
            self.config.harmonic_head = {
                **(self.config.harmonic_head or {}),
                "exponent": self.head.exponent,
            }
        super().save_pretrained(folder, **named)


class Head(HarmonicHead):
    """A harmonic head that hands its features on while ``passes`` is set."""

    passes = False

    def forward(self, x: Tensor) -> Tensor:
        return x if self.passes else super().forward(x)


def build_head(
    in_features: int,
    num_classes: int,
    weight: nn.Parameter | None,
    *,
    distance: str | None = None,
    options: dict[str, Any] | None = None,
    link: str = "harmonic",
    link_options: dict[str, float] | None = None,
    exponent: float | None = None,
) -> HarmonicHead:
    """A head from values that JSON can hold.

    Args:
        distance, options: a name of ``harmonic_lib.DISTANCES``, and what it takes.
        link, link_options: a name of ``harmonic_lib.link``, and what it takes.
        exponent: n; None for the head's default.
    """
    built = as_distance(distance or "euclidean", in_features, **(options or {}))
    chosen = link_of(link, **link_options) if link_options else link
    return Head(in_features, num_classes, built, exponent, weight, chosen)


def is_shared_head(module: nn.Module, model: nn.Module) -> bool:
    """Whether it is a head whose prototypes are another layer's too: that one initialises them."""
    return isinstance(module, HarmonicHead) and shared_weight(module, model) is not None


def names_in(mapping: str) -> set[str]:
    """The names of the model classes in one of transformers' tables."""
    return set(class_names(getattr(modeling_auto, mapping).values()))


def class_names(values: Iterable[object]) -> Iterator[str]:
    """Single names, and those in tuples."""
    for value in values:
        yield from value if isinstance(value, tuple) else (str(value),)


def auto_classes(name: str) -> Iterator[Any]:
    """The ``Auto`` classes that know a model class of this name."""
    for auto in vars(modeling_auto).values():
        if isinstance(auto, type) and issubclass(auto, _BaseAutoModelClass):
            mapping = vars(auto)["_model_mapping"]
            if mapping is not None and name in class_names(mapping._model_mapping.values()):
                yield auto
