"""The code behind chapters/distances/hamming.ipynb."""
