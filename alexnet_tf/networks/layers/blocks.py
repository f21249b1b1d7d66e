"""A convolution whose steps are whole blocks of pixels: fewer places, larger products."""

import tensorflow as tf

LEAST_STRIDE = 4
"""From here on it pays: at stride 2 the zeros that fill a kernel cost more than is gained."""

MOST_CHANNELS = 4
"""Of pictures; it was not measured with more at this stride."""


def is_faster(x: tf.Tensor, stride: int) -> bool:
    """Tells whether `convolve_blocks` trains faster than `tf.nn.conv2d` (TF 2.21).

    Measured on a CPU with avx512_bf16 for conv1 of the paper: in bfloat16 it takes four fifths of
    the time, forward and backward; in float32 and float16 more than before. Of GPUs is not known.
    """
    return (
        x.dtype == tf.bfloat16
        and stride >= LEAST_STRIDE
        and x.shape[1:].is_fully_defined()
        and x.shape[-1] <= MOST_CHANNELS
        and not tf.config.get_visible_devices("GPU")
    )


def convolve_blocks(x: tf.Tensor, kernel: tf.Tensor, stride: int, padding) -> tf.Tensor:
    """Convolves as `tf.nn.conv2d` does, with a stride of one block.

    A block is a square of `stride` by `stride` pixels, with their channels in a row. Zeros fill the
    kernel up to whole blocks; they add nothing to any sum.

    Args:
      x: float [N, H, W, C]; all but N are known.
      kernel: float [k, k, C, filters], of the same dtype.
      stride: step of the kernel, down and right.
      padding: rows and columns of zeros: ((top, bottom), (left, right)).

    Returns:
      float [N, H', W', filters].
    """
    size, _, channels, filters = kernel.shape
    blocks = -(-size // stride)  # of the kernel, on each side
    more = blocks * stride - size
    depth = stride * stride * channels

    kernel = tf.pad(kernel, ((0, more), (0, more), (0, 0), (0, 0)))
    kernel = tf.reshape(kernel, [blocks, stride, blocks, stride, channels, filters])
    kernel = tf.reshape(tf.transpose(kernel, [0, 2, 1, 3, 4, 5]), [blocks, blocks, depth, filters])

    rows, columns = (
        (side + sum(pad) - size) // stride + blocks
        for side, pad in zip(x.shape[1:3], padding, strict=True)
    )
    pads = [(before, after + more) for before, after in padding]
    x = tf.pad(x, ((0, 0), *pads, (0, 0)))
    x = x[:, : rows * stride, : columns * stride]  # what no window reaches is cut off
    # Faster than tf.nn.space_to_depth: conv1 takes 83 ms instead of 89 (TF 2.21, CPU).
    x = tf.reshape(x, [-1, rows, stride, columns, stride * channels])
    x = tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4]), [-1, rows, columns, depth])
    return tf.nn.conv2d(x, kernel, 1, "VALID", data_format="NHWC")
