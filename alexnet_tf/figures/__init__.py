"""Pictures made of arrays. Imports no TensorFlow."""
