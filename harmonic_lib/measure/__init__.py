"""What is measured of tensors: embeddings, weights, gradients, operations."""

from harmonic_lib.measure.geometry import (
    class_means,
    mutual_cosine,
    prototype_alignment,
    prototypes,
)

__all__ = ["class_means", "mutual_cosine", "prototype_alignment", "prototypes"]
