"""The code behind chapters/distances/mahalanobis.ipynb."""
