"""Backbones: small ones of the papers that no library has, and where the others come from."""
