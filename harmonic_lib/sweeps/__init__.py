"""Run an experiment's configurations and seeds, and record each result."""

from harmonic_lib.sweeps.sweep import sweep

__all__ = ["sweep"]
