"""The harmonic loss: from a distance and its exponent to a number, at any number of classes."""
