"""Networks with a name, each a value with its source. Imports no TensorFlow."""
