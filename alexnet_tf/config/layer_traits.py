"""What the program asks of a layer, whatever its kind. No TensorFlow here."""

import enum
from typing import ClassVar

from pipelines.typed import Typed


class Activation(enum.StrEnum):
    """What each output goes through."""

    LINEAR = "linear"
    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    SCALED_TANH = "scaled_tanh"


class LayerRow(Typed):
    """Base of the rows; a wrong value is named with its row, such as network.layers.conv1.pad.

    Its class variables are traits: all that the program asks of a kind. They are no fields, and no
    file holds them. A kind sets those in which it differs from here.
    """

    is_spatial: ClassVar[bool] = False
    """Whether it takes pictures [H, W, C] alone."""
    is_norm: ClassVar[bool] = False
    """Whether it normalizes, so that `network.normalization` exchanges it."""
    is_transparent: ClassVar[bool] = False
    """Whether it may stand between a layer with a kernel and the activation of that layer."""
    is_across_channels: ClassVar[bool] = False
    """Whether an output depends on several channels."""
    is_of_one_size: ClassVar[bool] = False
    """Whether a larger picture would give no map of outputs."""
    is_stock: ClassVar[bool] = False
    """Whether Keras, PyTorch and Caffe have this layer, with a kernel of the same axes."""
    has_kernel: ClassVar[bool] = False
    """Whether it has a kernel, and the fields `std`, `bias` and `activation`."""
    has_kernel_for_each_place: ClassVar[bool] = False
    """Whether its kernel differs from place to place."""
    has_halves: ClassVar[bool] = False
    """Whether two towers can have half of its channels each."""
    companions: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of rows that leave with it: norm1 goes with conv1."""
    ignores: ClassVar[tuple[str, ...]] = ()
    """Fields of the class above that its layer has no use for; they keep their defaults."""
    activation: ClassVar[Activation] = Activation.LINEAR
    """What follows each output; a field of rows that have the choice."""

    def __post_init__(self):
        """Refuses values of other types, those that would be ignored, and another class's kind."""
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
        """What a message calls a field."""
        return f"network.layers.{self.name or type(self).__name__}.{field}"
