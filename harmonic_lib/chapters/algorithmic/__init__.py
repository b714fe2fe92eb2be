"""Part III."""
