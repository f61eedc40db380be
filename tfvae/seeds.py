"""Seeds as values: an int32 tensor `[2]` that is split, never advanced.

The draws below are made of the generator's raw bits, which are the same with and
without XLA. TensorFlow's own uniform and normal numbers are not: the two turn bits
into floats differently, and without an explicit algorithm they even pick different
generators.
"""

import enum
import math
import numbers

import tensorflow as tf


class Stream(enum.IntEnum):
    """Names what draws from a seed, so that no two draws share their numbers.

    `fold_in(seed, Stream.LATENT)` is the seed of the latent's noise in the pass that
    `seed` belongs to. The first ones are folded into a pass's seed; those from `MMD`
    on into a record's, `Forward.seed`, which is the pass's `TERMS`. A number is part
    of every saved run: never change one.
    """

    ENCODER = 0
    LATENT = 1
    DECODER = 2
    TERMS = 3
    SCORING = 4
    REFINEMENT = 5
    PROPOSAL = 103
    MMD = 101
    DUAL_KL = 102
    # An alias of PROPOSAL, which is folded into the seed of another pass.
    COUPLING = 103
    COPULA = 0x636F7075
    # Aliases too: writing a sentence is a pass of its own.
    PRIOR = 0
    WORDS = 1


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
    """Samples int32 numbers over the whole range of the type.

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
    """Samples float32 numbers in the open interval `(0, 1)`.

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
    """Samples float32 standard normal numbers by the Box-Muller transform.

    Args:
        shape: Int tensor or list.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor of that shape; no draw is beyond 5.8 in size.
    """
    first, second = tf.unstack(uniform(tf.concat([[2], shape], 0), seed))
    return tf.sqrt(-2.0 * tf.math.log(first)) * tf.cos(2.0 * math.pi * second)
