"""The code behind chapters/distances/bray_curtis.ipynb."""
