"""The room of distances/mahalanobis."""
