"""The code behind chapters/vision/pixel_classifiers.ipynb."""
