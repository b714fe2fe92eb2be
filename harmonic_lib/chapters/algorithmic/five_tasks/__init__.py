"""The room of algorithmic/five_tasks."""
