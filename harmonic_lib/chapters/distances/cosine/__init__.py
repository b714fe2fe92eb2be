"""The room of distances/cosine."""
