"""The room of distances/bray_curtis."""
