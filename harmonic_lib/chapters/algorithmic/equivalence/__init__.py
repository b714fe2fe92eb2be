"""The room of algorithmic/equivalence."""
