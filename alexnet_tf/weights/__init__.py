"""Weights of other programs; only `comparison` starts TensorFlow, only writing `.pth` needs PyTorch."""
