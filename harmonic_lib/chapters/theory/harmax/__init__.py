"""The room of theory/harmax."""
