"""transformers models with a harmonic head: saved, loaded, trained and generating like any other.

Needs transformers: the extra ``hf``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harmonic_lib.checks import check_options
from harmonic_lib.distances import Distance, as_distance
from harmonic_lib.harmax import link as link_of
from harmonic_lib.head import HarmonicHead
from harmonic_lib.replace import classifier_name, drop_tied_bias, layer, put, shared_weight
from harmonic_lib.torchvision_import import importable

importable()  # transformers imports torchvision where it is installed
import transformers  # noqa: E402
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel  # noqa: E402
from transformers.conversion_mapping import (  # noqa: E402
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.models.auto import modeling_auto  # noqa: E402
from transformers.models.auto.auto_factory import _BaseAutoModelClass  # noqa: E402


@functools.cache
def with_harmonic_head(base: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """A subclass of a transformers model whose classifier or ``lm_head`` is a harmonic head.

    Its configuration has one field more, ``harmonic_head``: a dict of what :func:`build_head`
    takes, and ``name``, the dotted name of the layer, where it is not found by itself. It is
    registered with the ``Auto`` classes of its base, as model type "harmonic-" + that of the base;
    call this function before their ``from_pretrained``. A saved exponent is loaded, whatever the
    configuration says. A checkpoint of the base loads, too: then the first prototypes are the rows
    of its linear layer, where it has one.

    In training, a causal or masked language model computes its loss from ``labels`` by
    :meth:`~harmonic_lib.HarmonicHead.loss`, without logits: then ``output.logits`` is None. That
    is left to the base, with logits, where it does more with them (a soft cap, a scale, a loss of
    its own), where ``labels`` are given by position, and in evaluation and all other models.

    Args:
        base: a class of transformers, such as ``GPT2LMHeadModel`` or ``ViTForImageClassification``.

    Raises:
        TypeError: it is not the class of a transformers model; or (when a model is made) the
            configuration has no ``harmonic_head``.
        ValueError: (when a model is made) its classifier is not an ``nn.Linear``, or gives no
            logits of a softmax over classes.
    """
    if not (isinstance(base, type) and issubclass(base, PreTrainedModel)):
        given = base if isinstance(base, type) else f"an instance of {type(base).__name__}"
        raise TypeError(f"expected the class of a transformers model, got {given}")

    class Model(HarmonicModel, base):  # type: ignore[misc]
        config_class = config_with_head(base.config_class)

        @functools.wraps(base.forward)  # Trainer reads the names of the arguments off it
        def forward(self, *arguments: Any, **named: Any) -> Any:
            return self.harmonic_forward(super().forward, *arguments, **named)

    Model.__name__ = Model.__qualname__ = f"Harmonic{base.__name__}"
    if base.__name__ in names_in("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"):
        Model.harmonic_loss = HarmonicModel.causal_loss
    elif base.__name__ in names_in("MODEL_FOR_MASKED_LM_MAPPING_NAMES"):
        Model.harmonic_loss = HarmonicModel.masked_loss
    for auto in auto_classes(base.__name__):
        auto.register(Model.config_class, Model, exist_ok=True)
    # How older checkpoints name their weights is known by the name of the class, or of the model.
    for old, new in ((base, Model), (base.config_class, Model.config_class)):
        old_name, new_name = (getattr(each, "model_type", each.__name__) for each in (old, new))
        if found := get_checkpoint_conversion_mapping(old_name):
            register_checkpoint_conversion_mapping(new_name, found, overwrite=True)
    return Model


@functools.cache
def config_with_head(base: type[PreTrainedConfig]) -> type[PreTrainedConfig]:
    """The configuration of a model, with the field ``harmonic_head``."""

    class Config(base):  # type: ignore[misc]
        model_type = f"harmonic-{base.model_type}"
        harmonic_head: dict[str, Any] | None = None

    Config.__name__ = Config.__qualname__ = f"Harmonic{base.__name__}"
    AutoConfig.register(Config.model_type, Config, exist_ok=True)
    if base in modeling_auto.MODEL_MAPPING:  # some classifiers make their body by AutoModel
        modeling_auto.MODEL_MAPPING.register(
            Config, modeling_auto.MODEL_MAPPING[base], exist_ok=True
        )
    return Config


def __getattr__(name: str) -> type:
    """A class that :func:`with_harmonic_head` makes, by its name, for pickle."""
    base = getattr(transformers, name.removeprefix("Harmonic"), None)
    if name.startswith("Harmonic") and isinstance(base, type):
        made: type
        if issubclass(base, PreTrainedModel):
            made = with_harmonic_head(base)
            return made
        if issubclass(base, PreTrainedConfig):
            made = config_with_head(base)
            return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class WithLogitsError(Exception):
    """The base does something with the logits that a loss without them would leave out."""


class HarmonicModel(PreTrainedModel):  # type: ignore[misc]
    """What :func:`with_harmonic_head` adds to a model."""

    harmonic_loss: Callable[..., Any] | None = None
    """How the loss is computed without logits: :meth:`causal_loss`, :meth:`masked_loss` or not."""

    def __init__(self, config: PreTrainedConfig, *arguments: Any, **named: Any) -> None:
        if not hasattr(config, "harmonic_head"):
            wanted = type(self).config_class.__name__
            raise TypeError(
                f"{type(self).__name__} needs a {wanted}, its config_class, "
                f"got a {type(config).__name__}"
            )
        super().__init__(config, *arguments, **named)
        options = config.harmonic_head or {}
        if not isinstance(options, dict):
            raise TypeError(f"harmonic_head must be a dict, got {options!r}")
        options = dict(options)
        self.harmonic_name = options.pop("name", None) or classifier_name(self)
        check_options("harmonic_head", functools.partial(build_head, 1, 1, None), options)
        old = layer(self, self.harmonic_name)
        head = build_head(old.in_features, old.out_features, shared_weight(old, self), **options)
        put(self, self.harmonic_name, head.to(old.weight.device, old.weight.dtype))
        drop_tied_bias(self, f"{self.harmonic_name}.bias")

    @property
    def harmonic_head(self) -> Head:
        """The head; of one that PEFT trains beside the original, that copy."""
        return self.harmonic_heads()[-1]

    def harmonic_heads(self) -> list[Head]:
        """The head, and what wrappers hold of it."""
        place = self.get_submodule(self.harmonic_name)
        return [module for module in place.modules() if isinstance(module, Head)]

    def harmonic_forward(self, forward: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """``forward``, with the loss by ``head.loss`` where that is the same."""
        if self.harmonic_loss is None or not self.training or named.get("labels") is None:
            return forward(*arguments, **named)
        heads = self.harmonic_heads()
        for head in heads:
            head.waiting = True
        try:
            return self.harmonic_loss(forward, arguments, dict(named))
        except WithLogitsError:
            self.harmonic_loss = None
        finally:
            for head in heads:
                head.waiting, head.features, head.stand_in = False, None, None
        return forward(*arguments, **named)

    def loss_of(self, logits: Tensor, labels: Tensor, count: Any, ignore_index: int) -> Tensor:
        """The loss of the head whose stand-in the logits are."""
        for head in self.harmonic_heads():
            if head.features is not None and logits is head.stand_in:
                reduction = "mean" if count is None else "sum"  # Trainer counts a step's labels
                labels = labels.to(head.features.device)
                loss = head.loss(head.features, labels, ignore_index, reduction=reduction)
                return loss if count is None else loss / count
        raise WithLogitsError

    def causal_loss(
        self, forward: Callable[..., Any], arguments: Sequence[Any], named: dict[str, Any]
    ) -> Any:
        """By the base's own call of its loss function, which shifts the labels."""

        def loss_function(
            logits: Tensor,
            labels: Tensor,
            vocab_size: int | None = None,
            num_items_in_batch: Any = None,
            ignore_index: int = -100,
            shift_labels: Tensor | None = None,
            **_: Any,
        ) -> Tensor:
            if shift_labels is None:
                shift_labels = F.pad(labels, (0, 1), value=ignore_index)[..., 1:]
            found.append(self.loss_of(logits, shift_labels, num_items_in_batch, ignore_index))
            return found[0]

        found: list[Tensor] = []
        as_tuple = named.pop("return_dict", True) is False
        before = vars(self).get("_loss_function")
        self.loss_function = loss_function
        try:
            output = forward(*arguments, **named)
        finally:
            del self._loss_function
            if before is not None:
                self.loss_function = before
        if not found:
            raise WithLogitsError
        return without_logits(output, output.loss, as_tuple)

    def masked_loss(
        self, forward: Callable[..., Any], arguments: Sequence[Any], named: dict[str, Any]
    ) -> Any:
        """After the base is done: it would take the labels to a loss of logits."""
        labels, as_tuple = named.pop("labels"), named.pop("return_dict", True) is False
        count = named.pop("num_items_in_batch", None)
        output = forward(*arguments, **named)
        return without_logits(output, self.loss_of(output.logits, labels, count, -100), as_tuple)

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

    def save_pretrained(self, folder: str | os.PathLike[str], *arguments: Any, **named: Any) -> Any:
        if self.harmonic_head.exponent is not None:  # it may have been set since
            settings = self.config.harmonic_head or {}
            self.config.harmonic_head = {**settings, "exponent": self.harmonic_head.exponent}
        return super().save_pretrained(folder, *arguments, **named)


def without_logits(output: Any, loss: Tensor, as_tuple: bool) -> Any:
    """A model's output with this loss, and nothing in the place of the logits."""
    others = {key: value for key, value in output.items() if key not in ("loss", "logits")}
    output = type(output)(loss=loss, **others)
    return output.to_tuple() if as_tuple else output


class Head(HarmonicHead):
    """A harmonic head that keeps its features, while it is ``waiting`` for a loss, and gives a
    stand-in of their logits that holds a single number."""

    waiting = False
    features: Tensor | None = None
    stand_in: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.waiting:
            return super().forward(x)
        zero = x.new_zeros((), dtype=torch.promote_types(x.dtype, torch.float32))
        self.features, self.stand_in = x, zero.expand(*x.shape[:-1], self.num_classes)
        return self.stand_in


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
    built = as_distance(distance or "euclidean", in_features, **options) if options else distance
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
