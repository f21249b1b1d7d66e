"""Weights of other programs; only `blobs` starts TensorFlow, only writing `.pth` needs PyTorch."""
