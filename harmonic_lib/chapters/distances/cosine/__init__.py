"""The code behind chapters/distances/cosine.ipynb."""
