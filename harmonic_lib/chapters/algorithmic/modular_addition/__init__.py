"""The code behind chapters/algorithmic/modular_addition.ipynb."""
