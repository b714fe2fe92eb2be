"""The code behind chapters/distances/gradient_health.ipynb."""
