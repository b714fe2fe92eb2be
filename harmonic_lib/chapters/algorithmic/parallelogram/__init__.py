"""The room of algorithmic/parallelogram."""
