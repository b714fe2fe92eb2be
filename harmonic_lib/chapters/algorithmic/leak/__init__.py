"""The room of algorithmic/leak."""
