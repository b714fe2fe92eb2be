"""The code behind chapters/theory/why_not_softmax.ipynb."""
