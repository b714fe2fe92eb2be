"""What several chapters on distances use."""
