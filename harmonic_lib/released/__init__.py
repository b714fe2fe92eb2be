r"""The released layers of Miller-Golub et al. 2026, re-derived from formulas, quirks included.

For the audit only: what their code computes, not what their paper says. A layer gives a
similarity, bigger for closer, of every input x to every prototype w: a power of some
distance, which is often not the one of its name. Delta is x - w throughout; sums run over
the D features. Gradients are those of the released layers too.

Source: released code of Miller-Golub et al. 2026 (arXiv 2603.10225), its vision layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harmonic_lib.checks import check_name, unknown_name
from harmonic_lib.released import layers
from harmonic_lib.released.layers import LAYERS

__all__ = ["CONVERSIONS", "LAYERS", "defaults", "layers", "logits", "similarity"]


def similarity(layer: str, x: Tensor, w: Tensor, **options: Any) -> Tensor:
    r"""The similarity that a released layer returns, not normalised.

    :math:`(d / d_{\min})^{-n}` for Euclid, Manhattan and cosine, with d_min of the nearest
    prototype and eps added to d before; :math:`(d + eps)^{-n}` for all others. Euclid's d is
    the squared distance. Of two points at squared distances 1 and 4:

    >>> x, w = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> similarity("euclidean", x, w)
    tensor([[1.0000, 0.2500]])

    Shapes: x (N, D), w (K, D) -> (N, K). All but Euclid and cosine hold (N, K, D).

    Args:
        layer: a name of ``LAYERS``, whose functions have the formulas of d.
        x: the inputs.
        w: the prototypes.
        options: those of the layer's constructor that it uses; ``defaults`` has them
            with their released values, and one out of the layer's bounds counts as the
            nearest bound. ``n`` and ``eps`` go with every layer; ``precision`` is the
            parameter that a Mahalanobis layer learns, None for its initial value.

    Raises:
        ValueError: an unknown layer, or shapes that do not fit.
        TypeError: an option that the layer does not use.

    Source: released code of Miller-Golub et al. 2026.
    """
    valid = defaults(layer)
    for option in options:
        if option not in valid:
            raise TypeError(unknown_name(f"{layer} option", option, valid))
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1]:
        shapes = f"{tuple(x.shape)} and {tuple(w.shape)}"
        raise ValueError(f"x must be (N, D) and w (K, D) with the same D, got {shapes}")
    options = valid | options
    n, eps = options.pop("n"), max(options.pop("eps"), LAYERS[layer].smallest_eps)
    return LAYERS[layer].power(LAYERS[layer].distance(x, w, eps, **options), n, eps)


def defaults(layer: str) -> dict[str, Any]:
    """The options of a released layer, with the values of the released configuration.

    >>> defaults("canberra_robust")
    {'n': 1.0, 'eps': 0.0001, 'min_denom': 0.01}

    Raises:
        ValueError: an unknown layer.
    """
    check_name("released layer", layer, LAYERS)
    parameters = inspect.signature(LAYERS[layer].distance).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return {"n": 1.0, "eps": LAYERS[layer].eps, **own}


def logits(similarity: Tensor, conversion: str) -> Tensor:
    r"""What the released models feed to cross-entropy, for similarities s of shape (..., K).

    - "log" (ResNet50, PVT): :math:`\log \max(s, 10^{-8})`, the harmonic logits.
    - "negative" (MLP, CNN, VGG16, ViT): :math:`-s`, so that the farthest prototype wins.
    - "floored" (GPT, BERT, Qwen): :math:`\log(p + 0.01 / K)`, with p the normalised s. s is
      held within 1e-8 and 1e8 before, the sum in the logarithm within 1e-8 and 1.

    Raises:
        ValueError: an unknown conversion.

    Source: released code of Miller-Golub et al. 2026.
    """
    check_name("conversion", conversion, CONVERSIONS)
    return CONVERSIONS[conversion](similarity)


def floored(s: Tensor) -> Tensor:
    s = s.clamp(1e-8, 1e8)
    p = s / s.sum(-1, keepdim=True).clamp(min=1e-8)
    return (p + 0.01 / s.shape[-1]).clamp(1e-8, 1).log()


CONVERSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "log": lambda s: s.clamp(min=1e-8).log(),
    "negative": torch.neg,
    "floored": floored,
}
