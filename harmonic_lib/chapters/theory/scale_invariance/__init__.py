"""The room of theory/scale_invariance."""
