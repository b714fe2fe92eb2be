"""The room of distances/manhattan."""
