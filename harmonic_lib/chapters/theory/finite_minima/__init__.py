"""The code behind chapters/theory/finite_minima.ipynb."""
