"""The appendices."""
