"""The code behind chapters/distances/chebyshev.ipynb."""
