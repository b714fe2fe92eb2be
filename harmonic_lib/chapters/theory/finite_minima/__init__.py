"""The room of theory/finite_minima."""
