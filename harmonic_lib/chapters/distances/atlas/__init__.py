"""The room of distances/atlas."""
