"""The code behind chapters/distances/canberra.ipynb."""
