"""The code behind chapters/algorithmic/leak.ipynb."""
