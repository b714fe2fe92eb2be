"""The code behind chapters/algorithmic/permutations.ipynb."""
