"""A harmonic head in the place of the last linear layer of somebody's network."""

from __future__ import annotations

from torch import nn

from harmonic_lib.distances import Distance
from harmonic_lib.harmax import Link
from harmonic_lib.head import HarmonicHead


def replace_head(
    model: nn.Module,
    distance: str | Distance | None = None,
    exponent: float | None = None,
    link: str | Link = "harmonic",
    *,
    name: str | None = None,
    quiet: bool = False,
) -> nn.Module:
    """Put a :class:`HarmonicHead` in the place of a model's classifier or ``lm_head``, in place.

    >>> body = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
    >>> model = replace_head(nn.Sequential(body, nn.Linear(16, 10)), "cosine", exponent=4)
    1: Linear(16, 10), now cosine(), harmonic(exponent=4.0)

    The classifier is what ``get_classifier`` (timm) or ``get_output_embeddings`` (transformers)
    gives, else the last module that has parameters (torchvision). A weight that it shares with
    another layer, such as an embedding, stays shared; else the prototypes are drawn anew. There is
    no bias. The head is on the device and of the dtype of the layer that it replaces.

    Call it before making the optimiser; otherwise the optimiser keeps training the old layer's
    weight.

    A transformers model whose head is to come back with ``from_pretrained``, or whose vocabulary is
    to be resized while it is not tied, needs a class of its own: see ``harmonic_lib.huggingface``.

    Args:
        model: a network whose classifier is an ``nn.Linear``.
        distance, exponent, link: those of the head.
        name: the dotted name of the layer to replace, where it is not found by itself.
        quiet: do not print what was replaced.

    Returns:
        The model.

    Raises:
        TypeError: ``model`` is no module.
        ValueError: there is no such layer, or it is not an ``nn.Linear``, or its outputs are not
            the logits of a softmax over classes; the message says what was found.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    name = classifier_name(model) if name is None else name
    old = layer(model, name)
    weight = shared_weight(old, model)
    head = HarmonicHead(old.in_features, old.out_features, distance, exponent, weight, link)
    put(model, name, head.to(old.weight.device, old.weight.dtype).train(old.training))
    drop_tied_bias(model, f"{name}.bias")
    if not quiet:
        tied = ", weight shared as before" if weight is not None else ""
        print(f"{name}: Linear({old.in_features}, {old.out_features}), now {head.in_short()}{tied}")
    return model


def layer(model: nn.Module, name: str) -> nn.Linear:
    """The ``nn.Linear`` of a dotted name; refuses one that a harmonic head cannot replace."""
    try:
        found = model.get_submodule(name)
    except AttributeError as error:
        raise ValueError(f"{type(model).__name__} has no module {name!r}: {error}") from error
    if not name:
        raise ValueError("the model is itself the layer to replace: build a HarmonicHead")
    if not isinstance(found, nn.Linear):
        raise ValueError(f"expected {name!r} to be an nn.Linear, it is {in_short(found)}")
    problem = getattr(getattr(model, "config", None), "problem_type", None)
    if "QuestionAnswering" in type(model).__name__ and found.out_features == 2:  # start and end
        problem = "a softmax over positions"
    elif found.out_features == 1:
        problem = "a single output"
    if problem not in (None, "single_label_classification"):
        raise ValueError(
            f"a harmonic head gives the logits of a softmax over classes, which say nothing one by "
            f"one; {name!r} of {type(model).__name__} is for {problem.replace('_', ' ')}"
        )
    return found


def put(model: nn.Module, name: str, head: nn.Module) -> None:
    """Set the module of a dotted name."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, head)


def classifier_name(model: nn.Module) -> str:
    """The dotted name of a model's classifier.

    Raises:
        ValueError: it has none, or several; the message says what was found.
    """
    for way in ("get_classifier", "get_output_embeddings"):
        found: object = getattr(model, way, lambda: None)()
        if found is None:
            continue
        names: list[str] = [name for name, part in model.named_modules() if part is found]
        if not names:
            what = f"{len(found)} layers" if isinstance(found, tuple) else type(found).__name__
            raise ValueError(
                f"{type(model).__name__}.{way}() gives {what}; say which layer, by name="
            )
        return names[0]
    owners: list[str] = [
        name
        for name, part in model.named_modules()
        if any(parameter is not None for parameter in part._parameters.values())
    ]
    if not owners:
        raise ValueError(f"{type(model).__name__} has no parameters")
    last = model.get_submodule(owners[-1])
    classes = getattr(getattr(model, "config", None), "num_labels", None)
    if not isinstance(last, nn.Linear) or classes not in (None, last.out_features):
        wanted = "an nn.Linear" if classes is None else f"an nn.Linear of {classes} classes"
        raise ValueError(
            f"{type(model).__name__} does not end in {wanted}, but in {owners[-1]!r}, "
            f"{in_short(last)}; say which layer is the classifier, by name="
        )
    same = [name for name, part in model.named_modules() if is_classifier(part, classes)]
    if classes is not None and len(same) > 1:
        raise ValueError(
            f"{type(model).__name__} has {len(same)} layers of {classes} classes: "
            f"{', '.join(same)}; say which one, by name="
        )
    return owners[-1]


def is_classifier(part: nn.Module, classes: int | None) -> bool:
    return isinstance(part, nn.Linear) and part.out_features == classes


def drop_tied_bias(model: nn.Module, name: str) -> None:
    """In a transformers model: take out the parameter that is tied to the bias of this name, which
    a harmonic head does not have."""
    for attribute in ("_tied_weights_keys", "all_tied_weights_keys"):
        tied = getattr(model, attribute, None)
        if isinstance(tied, dict) and name in tied:
            setattr(model, attribute, {key: v for key, v in tied.items() if key != name})
            owner, _, last = tied[name].rpartition(".")
            model.get_submodule(owner).register_parameter(last, None)


def shared_weight(layer: nn.Linear | HarmonicHead, model: nn.Module) -> nn.Parameter | None:
    """The weight of a layer, if another layer of the model has it too."""
    every = [parameter for _, parameter in model.named_parameters(remove_duplicate=False)]
    same = [parameter for parameter in every if parameter is layer.weight]
    return same[0] if len(same) > 1 else None


def in_short(module: nn.Module) -> str:
    """A module in one line."""
    return str(module).split("\n", 1)[0].rstrip("(")
