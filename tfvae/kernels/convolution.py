"""A convolution over time that sees only the past."""

import tensorflow as tf


def causal_convolution(values, kernel, dilation):
    """Convolves each sequence with what came before.

    Computes `out[t] = sum_k values[t - (K - 1 - k) * dilation] @ kernel[k]` with zeros
    before the first step: the last entry of `kernel` acts on the present.

    A product for each shift leaves out the zeros, which are most of a short sentence
    under a large dilation.

    Args:
        values: Float tensor `[T, N, D]`, time-major, `T >= 1`.
        kernel: Float tensor `[K, D, F]`, `K` known.
        dilation: Positive int, steps between two entries of the kernel.

    Returns:
        Float tensor `[T, N, F]`.

    Example:
    >>> values = tf.reshape(tf.constant([1.0, 10.0, 100.0]), [3, 1, 1])
    >>> kernel = tf.reshape(tf.constant([2.0, 1.0]), [2, 1, 1])
    >>> causal_convolution(values, kernel, dilation=2)[:, 0, 0].numpy()
    array([  1.,  10., 102.], dtype=float32)
    """
    taps = tf.unstack(kernel)
    num_steps = tf.shape(values)[0]
    result = tf.tensordot(values, taps.pop(), 1)
    for distance, tap in enumerate(reversed(taps), start=1):
        shift = distance * dilation
        # One row at least: in a graph, oneDNN ends the process on the gradient of a
        # product over no rows. The padding pushes that row beyond the end.
        seen = values[: tf.maximum(num_steps - shift, 1)]
        late = tf.pad(tf.tensordot(seen, tap, 1), [[shift, 0], [0, 0], [0, 0]])
        result += late[:num_steps]
    return result
