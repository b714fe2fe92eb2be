"""The code behind chapters/distances/atlas.ipynb."""
