"""The room of distances/chebyshev."""
