"""Arrays drawn as pictures. Imports no TensorFlow."""
