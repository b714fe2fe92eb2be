"""The papers' experiments, as functions of a profile; :mod:`.registry` finds one by its name."""
