"""The code behind chapters/theory/harmax.ipynb."""
