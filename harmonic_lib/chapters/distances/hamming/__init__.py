"""The room of distances/hamming."""
