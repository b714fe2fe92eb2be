"""The room of theory/generalisation."""
