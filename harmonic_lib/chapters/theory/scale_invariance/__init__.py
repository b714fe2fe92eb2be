"""The code behind chapters/theory/scale_invariance.ipynb."""
