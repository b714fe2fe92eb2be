"""The code behind chapters/appendices/benchmarks.ipynb."""
