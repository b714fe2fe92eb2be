"""The room of vision/pixel_classifiers."""
