"""The code behind chapters/algorithmic/parallelogram.ipynb."""
