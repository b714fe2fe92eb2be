"""The room of distances/gradient_health."""
