"""All experiments that are tables, by name. No TensorFlow."""

from collections.abc import Callable

from alexnet_tf.experiments.modern import modern
from alexnet_tf.experiments.on_cifar import figure1, lrn_cifar
from alexnet_tf.experiments.on_imagenette import ablations, data, depth
from alexnet_tf.experiments.table import Experiment, Size

EXPERIMENTS: dict[str, Callable[[Size, str], Experiment]] = {
    function.__name__: function for function in (ablations, depth, lrn_cifar, data, figure1, modern)
}
"""From size and data.source, empty for the experiment's own, to the experiment."""
