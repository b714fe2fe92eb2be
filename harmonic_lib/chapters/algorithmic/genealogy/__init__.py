"""The code behind chapters/algorithmic/genealogy.ipynb."""
