"""The room of algorithmic/genealogy."""
