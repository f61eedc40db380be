"""Seeds as values: an int32 tensor `[2]` that is split, never advanced.

The draws below are made of the generator's raw bits, which are the same with and
without XLA. TensorFlow's own uniform and normal numbers are not: the two turn bits
into floats differently, and without an explicit algorithm they even pick different
generators.
"""

import math
import numbers

import tensorflow as tf


def as_seed(seed):
    """Turns an int or a pair of ints into a seed tensor `[2]`."""
    if isinstance(seed, numbers.Integral):
        seed = int(seed)
        seed = (seed & 0x7FFFFFFF, seed >> 31 & 0x7FFFFFFF)
    return tf.convert_to_tensor(seed, tf.int32)


def fold_in(seed, number):
    """Derives a seed from a seed and a number; `None` stays `None`."""
    if seed is None:
        return None
    number = tf.cast(number, tf.int32)
    return tf.random.experimental.stateless_fold_in(seed, number, alg="philox")


def random_bits(shape, seed):
    """Draws int32 numbers over the whole range of the type.

    Args:
        shape: Int tensor or list.
        seed: Int tensor `[2]`.

    Returns:
        Int32 tensor of that shape.
    """
    return tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )


def uniform(shape, seed):
    """Draws float32 numbers in the open interval `(0, 1)`.

    Computes `(k + 0.5) / 2 ** 23` with `k` of 23 random bits, so that the logarithm
    of a draw and of one minus it is finite.

    Args:
        shape: Int tensor or list.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor of that shape.
    """
    high = tf.bitwise.right_shift(random_bits(shape, seed), 9)
    return (tf.cast(high, tf.float32) + (2.0**22 + 0.5)) * 2.0**-23


def normal(shape, seed):
    """Draws float32 standard normal numbers by the Box-Muller transform.

    Args:
        shape: Int tensor or list.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor of that shape; no draw is beyond 5.8 in size.
    """
    first, second = tf.unstack(uniform(tf.concat([[2], shape], 0), seed))
    return tf.sqrt(-2.0 * tf.math.log(first)) * tf.cos(2.0 * math.pi * second)
