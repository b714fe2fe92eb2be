"""The code behind chapters/distances/minkowski.ipynb."""
