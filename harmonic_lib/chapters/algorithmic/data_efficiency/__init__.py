"""The room of algorithmic/data_efficiency."""
