"""The room of distances/minkowski."""
