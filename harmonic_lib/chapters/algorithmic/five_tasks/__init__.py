"""The code behind chapters/algorithmic/five_tasks.ipynb."""
