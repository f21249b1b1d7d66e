"""The paper's update rule (section 5) and later ones, as a Keras optimizer for `compile` too."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from alexnet_tf.config.optimizer import OptimizerConfig, Rule
from alexnet_tf.errors import expected_one_of
from alexnet_tf.training import rules
from pipelines.typed import choice


@keras.saving.register_keras_serializable("alexnet_tf")
class PaperSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent with momentum, which includes the weight decay.

        v <- momentum * v - rate * (gradient + decay * w)
        w <- w + v

    Keras' own `SGD(weight_decay=...)` keeps the decay out of v, which makes it ten times weaker at
    momentum 0.9. The rule is applied after the gradients of all replicas were summed. Others are in
    `rules.py`.

    Args:
      learning_rate: learning rate of the kernels; assign to `optimizer.learning_rate` to change it.
      momentum: 0 to below 1.
      decay: weight decay of the kernels.
      bias_rate: learning rate of the biases as a multiple of the kernels'; 2 in the 2012 program.
      bias_decay: weight decay of the biases. Gains and offsets of normalization count as biases.
      rates: multipliers of the learning rates of kernel and bias, by the name of their layer.
      clip_norm: the longest that a gradient may be, its L2 norm over all variables; a longer one is
        scaled down. 0 for any.
      rule: paper, or sgdw or lamb in its place.
      second_momentum: of lamb, 0 to below 1.
      average: decay of the weights' average over steps, 0 to below 1; 0 for none.

    Attributes:
      slots: by name, for each variable an array of its shape: momentum, and what else the rule and
        the average need.
      statistics: the variables of `average_too`, each with its average.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        decay: float = 5e-4,
        bias_rate: float = 1.0,
        bias_decay: float = 0.0,
        rates: Mapping[str, float] | None = None,
        clip_norm: float = 0.0,
        rule: str = "paper",
        second_momentum: float = 0.999,
        average: float = 0.0,
        name: str = "paper_sgd",
        **kwargs,
    ):
        """Stores the rates; see the class."""
        floatx = keras.config.floatx()
        keras.config.set_floatx("float32")  # of the learning rate, whatever keras.json says
        try:
            super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        finally:
            keras.config.set_floatx(floatx)
        self.momentum, self.decay = momentum, decay
        self.bias_rate, self.bias_decay = bias_rate, bias_decay
        self.rates = dict(rates or {})
        self.clip_norm = clip_norm
        self.rule = choice("rule", Rule, rule)
        self.second_momentum, self.average = second_momentum, average
        self.slots: dict[str, list[keras.Variable]] = {}
        self.statistics: list[tuple[keras.Variable, keras.Variable]] = []
        self.summed: set[int] = set()  # ids of variables whose gradients are those of all replicas

    def build(self, variables):
        """Makes the slots of each variable, and the switch of `hold`."""
        if self.built:
            return
        layers = [_layer(variable) for variable in variables]
        for name in self.rates:
            if name not in layers:
                raise ValueError(expected_one_of("rates", name, dict.fromkeys(layers)))
        super().build(variables)
        names = [*rules.SLOTS[self.rule], *(["average"] if self.average else [])]
        self.slots = {name: [] for name in names}
        for variable in variables:
            with tf.device(variable.value.device):  # of its tower
                for name, slots in self.slots.items():
                    slots.append(self.add_variable_from_reference(variable, name))
        self.is_held = self.add_variable(
            (), dtype="bool", aggregation="only_first_replica", name="is_held"
        )

    def average_too(self, variables: list[keras.Variable]) -> None:
        """Makes averages of variables that no gradient changes, such as moving statistics."""
        self.statistics = []
        for variable in variables if self.average else ():
            with tf.device(variable.value.device):
                mean = self.add_variable(
                    variable.shape, dtype=variable.dtype, aggregation="mean", name="average"
                )
            self.statistics.append((variable, mean))

    def average_statistics(self) -> None:
        """Moves the averages of `average_too`, before the update of a step."""
        for variable, mean in self.statistics:
            kept = rules.kept_at(self.average, tf.cast(self.iterations.value, variable.dtype))
            mean.assign(kept * mean.value + (1 - kept) * variable.value)

    def hold(self, is_held: tf.Tensor) -> None:
        """Makes the next updates leave weights and velocities unchanged, if True.

        Gradients must be finite even then.
        """
        self.is_held.assign(is_held)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Sums over replicas, as Keras does, and clips what is the gradient of the whole batch.

        Keras' own `global_clipnorm` clips before that: what each replica has (Keras 3.15).
        """
        # Device by device: those of two towers at once TF 2.21 would sum one by one.
        devices: dict[str, list] = {}
        summed = [pair for pair in grads_and_vars if id(pair[1]) in self.summed]
        for gradient, variable in grads_and_vars:
            if id(variable) in self.summed:
                continue
            has_device = not isinstance(variable, tf.distribute.DistributedValues)
            devices.setdefault(variable.device if has_device else "", []).append(
                (gradient, variable)
            )
        for pairs in devices.values():
            summed += super()._all_reduce_sum_gradients(pairs)
        if not self.clip_norm:
            return summed
        gradients = [tf.cast(gradient, tf.float32) for gradient, _ in summed]
        norm = tf.linalg.global_norm(gradients)
        factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
        factor = tf.where(tf.math.is_finite(norm), factor, float("nan"))  # not 0, in silence
        variables = [variable for _, variable in summed]
        return [(g * factor, v) for g, v in zip(gradients, variables, strict=True)]

    def _distributed_tf_update_step(self, distribution, grads_and_vars, learning_rate):
        """Updates as Keras does; a strategy of several workers refuses the variables of towers.

        These are no variables of its own: each lives on the device of its tower.
        """
        for gradient, variable in grads_and_vars:
            if isinstance(variable, tf.distribute.DistributedValues):
                mine = [(gradient, variable)]
                super()._distributed_tf_update_step(distribution, mine, learning_rate)
            else:
                self.update_step(gradient, variable, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable by a gradient that is summed over replicas."""
        index = self._get_variable_index(variable)
        own = self._trainable_variables[index]
        factor, decay = self._factor_and_decay(own)
        rate = tf.cast(learning_rate, variable.dtype) * factor
        slots = {
            name: _beside(variable, every[index].value).handle for name, every in self.slots.items()
        }
        held = tf.convert_to_tensor(self.is_held)
        gradient = before_cast(tf.convert_to_tensor(gradient))
        done = tf.cast(tf.convert_to_tensor(self.iterations), variable.dtype)  # updates before
        with tf.device(variable.device):
            if self.rule == Rule.LAMB:
                moments = slots["momentum"], slots["second_moment"]
                decays = self.momentum, self.second_momentum
                is_scaled = own.name == "kernel"
                rules.lamb(
                    variable.handle, *moments, gradient, rate, decay, *decays, done, held, is_scaled
                )
            else:
                handles, is_sgdw = (variable.handle, slots["momentum"]), self.rule == Rule.SGDW
                rules.paper(*handles, gradient, rate, decay, self.momentum, held, is_sgdw)
            if self.average:
                rules.average(variable.handle, slots["average"], self.average, done, held)

    def _factor_and_decay(self, variable) -> tuple[float, float]:
        """Returns the multiplier of the learning rate for a variable, and its weight decay."""
        is_bias = variable.name != "kernel"
        factor = (self.bias_rate if is_bias else 1.0) * self.rates.get(_layer(variable), 1.0)
        return factor, self.bias_decay if is_bias else self.decay

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        mine = ("momentum", "decay", "bias_rate", "bias_decay", "rates", "clip_norm")
        mine += ("second_momentum", "average")
        own = {name: getattr(self, name) for name in mine}
        return super().get_config() | own | {"rule": str(self.rule)}


def optimizer(config: OptimizerConfig) -> PaperSGD:
    """Builds the optimizer of a run."""
    return PaperSGD(
        config.learning_rate,
        momentum=config.momentum,
        decay=config.weight_decay,
        bias_rate=config.bias_rate,
        bias_decay=config.bias_decay,
        rates=config.rate_by_layer,
        clip_norm=config.clip_norm,
        rule=config.rule,
        second_momentum=config.second_momentum,
        average=config.average,
    )


def before_cast(gradient: tf.Tensor) -> tf.Tensor:
    """Finds the 16-bit gradient that was cast to float32: the rule casts in its own pass.

    In a graph only; any other gradient is returned as it is.
    """
    is_cast = tf.is_symbolic_tensor(gradient) and gradient.op.type == "Cast"
    return gradient.op.inputs[0] if is_cast else gradient


def _layer(variable: keras.Variable) -> str:
    """Returns the name of the layer that a variable belongs to; empty if there is none."""
    return variable.path.rpartition("/")[0].rpartition("/")[2]


def _beside(variable: tf.Variable, slot: tf.Variable) -> tf.Variable:
    """Finds the part of a mirrored slot on the device of one part of its variable.

    Only a plain variable has the single handle that `rules` take.
    """
    parts = tf.distribute.get_strategy().experimental_local_results(slot)
    return next(part for part in parts if part.device == variable.device)
