"""The room of distances/canberra."""
