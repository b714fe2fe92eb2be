"""What two or more chapters draw with: one style, maps of the plane, pictures, animations."""

from harmonic_lib.plots.images import prototype_rows, show_image
from harmonic_lib.plots.regions import decision_regions
from harmonic_lib.plots.style import style

__all__ = ["decision_regions", "prototype_rows", "show_image", "style"]
