"""The room of theory/why_not_softmax."""
