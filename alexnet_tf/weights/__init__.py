"""Weights of other programs, read and written without these programs and without TensorFlow."""
