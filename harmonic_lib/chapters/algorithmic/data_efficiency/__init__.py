"""The code behind chapters/algorithmic/data_efficiency.ipynb."""
