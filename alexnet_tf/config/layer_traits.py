"""The properties of a kind of layer that the program depends on. No TensorFlow here."""

import enum
from typing import ClassVar

from pipelines.typed import Typed


class Activation(enum.StrEnum):
    """The activation function of a layer."""

    LINEAR = "linear"
    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    SCALED_TANH = "scaled_tanh"


class LayerRow(Typed):
    """Base of the rows; errors name a value with its row, such as network.layers.conv1.pad.

    Its class variables are traits: all that the program needs to know of a kind. They are not
    fields, and not stored in files. A kind overrides those that differ.
    """

    is_spatial: ClassVar[bool] = False
    """Whether it takes pictures [H, W, C] alone."""
    is_norm: ClassVar[bool] = False
    """Whether it normalizes, so that `network.normalization` replaces it."""
    is_transparent: ClassVar[bool] = False
    """Whether it may stand between a layer with a kernel and the activation of that layer."""
    is_across_channels: ClassVar[bool] = False
    """Whether an output depends on several channels."""
    is_of_one_size: ClassVar[bool] = False
    """Whether it fits one size of picture only: a larger one gives no map of outputs."""
    is_stock: ClassVar[bool] = False
    """Whether Keras, PyTorch and Caffe have this layer, with a kernel of the same axes."""
    has_kernel: ClassVar[bool] = False
    """Whether it has a kernel, and the fields `std`, `bias` and `activation`."""
    has_kernel_for_each_place: ClassVar[bool] = False
    """Whether its kernel differs from place to place."""
    has_halves: ClassVar[bool] = False
    """Whether two towers can have half of its channels each."""
    companions: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the names of rows that are removed with it: norm1 with conv1."""
    ignores: ClassVar[tuple[str, ...]] = ()
    """Inherited fields that its layer does not use; they keep their defaults."""
    activation: ClassVar[Activation] = Activation.LINEAR
    """The activation of each output; a field in rows where it can be chosen."""

    def __post_init__(self):
        """Refuses values of other types, values of ignored fields, and another class's kind."""
        super().__post_init__()
        if not self.name:
            raise ValueError(f"{self.named('name')}='': expected a name, such as conv1.")
        if self.kind != type(self).kind:
            raise ValueError(f"{self.named('kind')}={self.kind}: expected {type(self).kind}.")
        for field in self.ignores:
            value, default = getattr(self, field), getattr(type(self), field)
            if value != default:
                raise ValueError(
                    f"{self.named(field)}={value}: expected {default}, since a layer of "
                    f"kind={self.kind} has no other."
                )

    def named(self, field: str) -> str:
        """Returns the name of a field in messages."""
        return f"network.layers.{self.name or type(self).__name__}.{field}"
