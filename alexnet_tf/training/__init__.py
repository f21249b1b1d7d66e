"""Training and evaluation: the loop, the tasks, and the files of a run."""
