"""The code behind chapters/distances/euclidean.ipynb."""
