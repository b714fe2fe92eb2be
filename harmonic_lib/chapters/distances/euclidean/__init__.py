"""The room of distances/euclidean."""
