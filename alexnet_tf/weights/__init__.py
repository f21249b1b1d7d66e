"""Weights of other programs.

Only `comparison` starts TensorFlow, only writing `.pth` needs PyTorch.
"""
