"""The code behind chapters/algorithmic/equivalence.ipynb."""
