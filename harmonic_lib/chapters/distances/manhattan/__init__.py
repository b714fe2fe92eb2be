"""The code behind chapters/distances/manhattan.ipynb."""
