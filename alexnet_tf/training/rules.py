"""How a gradient changes a weight: each rule in place and in one pass over memory, by XLA.

All take handles of variables. Given variables, they would keep weak references to the first ones,
and fail for the next model once these are deleted (TF 2.21).
"""

import tensorflow as tf

from alexnet_tf.config.optimizer import Rule

SLOTS = {
    Rule.PAPER: ("momentum",),
    Rule.SGDW: ("momentum",),
    Rule.LAMB: ("momentum", "second_moment"),
}
"""What each rule keeps for a weight, besides the weight."""

LAMB_EPSILON = 1e-6
"""Added to the root of the mean squared gradient (You et al. 2019)."""
LATER = 10.0
"""At update t, counted from 0, an average keeps at most t / (t + this) of itself."""


@tf.function(jit_compile=True, autograph=False)
def paper(variable, velocity, gradient, rate, decay, momentum, is_held, is_decoupled):
    """Applies the two lines of the paper's rule in place, in one pass over memory.

    Of sgdw, where `is_decoupled`: v <- momentum * v - rate * gradient, and
    w <- w + v - rate * decay * w.

    Operation by operation they take a twelfth of a step of the paper's network (TF 2.21, CPU).
    Gradients must be finite, even if the variable is held.
    """
    dtype = rate.dtype
    gradient = tf.cast(gradient, dtype)
    w, v = (tf.raw_ops.ReadVariableOp(resource=x, dtype=dtype) for x in (variable, velocity))
    # Factors, since a select over whole tensors makes XLA copy them and takes twice as long.
    moving = tf.cast(~is_held, dtype)
    momentum = tf.where(is_held, tf.ones([], dtype), momentum)
    pull = gradient if is_decoupled else gradient + decay * w
    moved = momentum * v - moving * rate * pull
    tf.raw_ops.AssignVariableOp(resource=velocity, value=moved)
    change = moved - rate * decay * w if is_decoupled else moved
    tf.raw_ops.AssignAddVariableOp(resource=variable, value=moving * change)


@tf.function(jit_compile=True, autograph=False)
def lamb(variable, mean, square, gradient, rate, decay, momentum, second, done, is_held, is_scaled):
    """Applies algorithm 2 of You et al. 2019, "Large Batch Optimization for Deep Learning".

        m <- momentum * m + (1 - momentum) * gradient, v <- second * v + (1 - second) * gradient^2
        r = m / (1 - momentum^t) / (sqrt(v / (1 - second^t)) + epsilon) + decay * w
        w <- w - rate * |w| / |r| * r, where `is_scaled` and neither length is 0

    Gradients must be finite, even if the variable is held.

    Args:
      variable: handle of w; those of m and v follow.
      mean: handle of m.
      square: handle of v.
      gradient: of any floating dtype.
      rate: [], of the variable's dtype.
      decay: weight decay.
      momentum: of m.
      second: of v.
      done: [], how many updates came before, held ones too; t is one more.
      is_held: bool [], whether all stay as they are.
      is_scaled: whether the step has the length of the weight: kernels' have, as usual.
    """
    dtype = rate.dtype
    gradient = tf.cast(gradient, dtype)
    w, m, v = (tf.raw_ops.ReadVariableOp(resource=x, dtype=dtype) for x in (variable, mean, square))
    moving = tf.cast(~is_held, dtype)
    m += moving * (1 - momentum) * (gradient - m)
    v += moving * (1 - second) * (tf.square(gradient) - v)
    unbiased = m / (1 - momentum ** (done + 1))
    root = tf.sqrt(v / (1 - second ** (done + 1)))
    step = unbiased / (root + LAMB_EPSILON) + decay * w
    ratio = tf.ones([], dtype)
    if is_scaled:
        lengths = tf.norm(w), tf.norm(step)
        ratio = tf.where((lengths[0] > 0) & (lengths[1] > 0), lengths[0] / lengths[1], ratio)
    tf.raw_ops.AssignVariableOp(resource=mean, value=m)
    tf.raw_ops.AssignVariableOp(resource=square, value=v)
    tf.raw_ops.AssignAddVariableOp(resource=variable, value=-moving * rate * ratio * step)


def kept_at(kept: float, done: tf.Tensor) -> tf.Tensor:
    """Computes how much of itself an average keeps after `done` updates, [], a float."""
    return tf.minimum(tf.cast(kept, done.dtype), done / (done + LATER))


@tf.function(jit_compile=True, autograph=False)
def average(variable, mean, kept, done, is_held):
    """Moves a weight's average toward the weight: a <- kept * a + (1 - kept) * w.

    Args:
      variable: handle of w.
      mean: handle of a.
      kept: 0 to below 1; less while there are few updates: the first sets it to w.
      done: [], how many updates came before.
      is_held: bool [], whether it stays as it is.
    """
    w, a = (tf.raw_ops.ReadVariableOp(resource=x, dtype=done.dtype) for x in (variable, mean))
    new = tf.cast(~is_held, done.dtype) * (1 - kept_at(kept, done))
    tf.raw_ops.AssignAddVariableOp(resource=mean, value=new * (w - a))
