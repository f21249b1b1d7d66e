"""How fast we are, against others at the same work: one process for each, rounds in turn."""
