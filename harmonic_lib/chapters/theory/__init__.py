"""Part I."""
