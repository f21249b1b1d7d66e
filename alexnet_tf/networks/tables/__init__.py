"""Tables of layers: resolved, changed, cut in two, counted. Imports no TensorFlow."""
