"""The room of algorithmic/modular_addition."""
