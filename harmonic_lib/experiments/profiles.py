"""How much of an experiment to run."""

PROFILES = ("smoke", "quick", "full")
"""smoke: seconds, for tests. quick: a laptop's CPU and the committed data. full: the papers'
protocol on the complete data."""
