"""The speed of this project and of others at the same work: a process each, measured in turn."""
