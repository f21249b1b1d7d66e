"""Tables of layers: resolved, changed, split in two, counted. Imports no TensorFlow."""
