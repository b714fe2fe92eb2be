"""The code behind chapters/appendices/use_it.ipynb."""
