"""The code behind chapters/theory/generalisation.ipynb."""
