"""A network of ours in PyTorch with the same weights, for Captum: no layer is used twice."""

import numpy as np
import pytest

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.tables.resolved import table


def twin(config: NetworkConfig, weights: dict[str, np.ndarray]):
    """Builds convolutions, ReLUs, maxima and fully connected layers as a torch.nn.Sequential.

    Its modules have the layers' names; the ReLU of conv1 is conv1_relu.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn, model = torch.nn, torch.nn.Sequential()
    for row in table(config):
        layer, relu = row.layer, row.layer.activation == "relu"
        if layer.kind == "conv":
            before, after = layer.pad
            model.add_module(f"{row.name}_pad", nn.ZeroPad2d((before, after, before, after)))
            inputs, filters = row.kernel_shape[2] * row.groups, row.kernel_shape[3]
            made = nn.Conv2d(inputs, filters, layer.kernel, layer.stride, groups=row.groups)
            kernel = weights[f"{row.name}/kernel"].transpose(3, 2, 0, 1)
        elif layer.kind == "dense":
            kernel = weights[f"{row.name}/kernel"]
            if len(row.input_shape) == 3:  # PyTorch flattens channels first
                model.add_module("flatten", nn.Flatten())
                kernel = kernel.reshape(*row.input_shape, -1).transpose(2, 0, 1, 3)
            kernel = kernel.reshape(row.kernel_shape).T
            made = nn.Linear(*row.kernel_shape)
        elif layer.kind == "pool":
            made = nn.MaxPool2d(layer.size, layer.stride, ceil_mode=layer.round_up)
        else:
            raise NotImplementedError(layer.kind)
        model.add_module(row.name, made)
        if layer.kind != "pool":
            with torch.no_grad():
                made.weight.copy_(torch.from_numpy(kernel.copy()))
                made.bias.copy_(torch.from_numpy(weights[f"{row.name}/bias"]))
            if relu:
                model.add_module(f"{row.name}_relu", nn.ReLU())
    return model.eval()


def first(x: np.ndarray):
    """Turns NHWC into a tensor with channels first."""
    torch = pytest.importorskip("torch")
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def last(x) -> np.ndarray:
    """Turns a tensor with channels first into NHWC."""
    return x.detach().numpy().transpose(0, 2, 3, 1)
