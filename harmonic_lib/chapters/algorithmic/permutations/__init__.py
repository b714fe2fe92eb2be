"""The room of algorithmic/permutations."""
