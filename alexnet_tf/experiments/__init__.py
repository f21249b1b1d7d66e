"""Experiments: networks of a table that a paper claims something about, trained and compared."""
