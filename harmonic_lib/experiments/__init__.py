"""The papers' experiments, as functions of a profile: "smoke", "quick" or "full".

smoke: seconds, for tests. quick: a laptop's CPU and the committed data. full: the
papers' protocol on the complete data.
"""

from harmonic_lib.experiments import pixel_classifiers, toy_points

__all__ = ["PROFILES", "pixel_classifiers", "toy_points"]

PROFILES = ("smoke", "quick", "full")
