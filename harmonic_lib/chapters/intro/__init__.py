"""The code behind chapters/intro.ipynb."""
