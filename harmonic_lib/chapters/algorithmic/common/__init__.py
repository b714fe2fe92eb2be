"""What several chapters on algorithmic tasks use."""
