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
    CONDITION = 6
    PROPOSAL = 103
    MMD = 101
    DUAL_KL = 102
    WASSERSTEIN = 104
    CRITIC_SLOPES = 105
    MUTUAL_INFORMATION = 106
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
    """Derives a seed from a seed and a number; `None` stays `None`.

    Of seeds of rows, `[B, 2]`, it derives as many.
    """
    if seed is None:
        return None
    number = tf.cast(number, tf.int32)
    if _is_by_row(seed):
        return tf.map_fn(lambda own: fold_in(own, number), seed)
    return tf.random.experimental.stateless_fold_in(seed, number, alg="philox")


def seeds_of_rows(tokens, seed):
    """Derives a seed of each sentence from what it says.

    It depends neither on the sentence's place, nor on the padding, nor on the other
    sentences of the batch.

    Args:
        tokens: Int tensor `[B, T]`, right-padded by 0.
        seed: Int tensor `[2]`.

    Returns:
        Int32 tensor `[B, 2]`, a `seed` of the functions below.
    """
    tokens = tf.cast(tokens, tf.int32)
    places = tf.fill(tf.shape(tokens)[1:], 0)
    # Polynomials in odd numbers, modulo 2 ** 32, as hashes.
    hashes = [
        tf.reduce_sum(tokens * tf.math.cumprod(places + base), axis=1)
        for base in (0x01000193, 0x0019660D)
    ]
    return tf.bitwise.bitwise_xor(tf.stack(hashes, axis=1), seed)


def random_bits(shape, seed):
    """Samples int32 numbers over the whole range of the type.

    Args:
        shape: Int tensor or list.
        seed: Int tensor `[2]`; or `[B, 2]`, a seed of each row, where the second axis
            of `shape` is `B`. A row then gets the numbers that its seed gives for a
            second axis of 1.

    Returns:
        Int32 tensor of that shape.
    """
    if _is_by_row(seed):
        shape = tf.convert_to_tensor(shape, tf.int32)
        alone = tf.concat([shape[:1], shape[2:]], 0)
        drawn = tf.map_fn(
            lambda own: random_bits(alone, own),
            seed,
            fn_output_signature=tf.TensorSpec([None] * (shape.shape[0] - 1), tf.int32),
        )
        order = [1, 0, *range(2, shape.shape[0])]
        # Also tells a graph of the sizes that are known.
        return tf.reshape(tf.transpose(drawn, order), shape)
    return tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )


def uniform(shape, seed):
    """Samples float32 numbers in the open interval `(0, 1)`.

    Computes `(k + 0.5) / 2 ** 23` with `k` of 23 random bits, so that the logarithm
    of a draw and of one minus it is finite.

    Args:
        shape: Int tensor or list.
        seed: As of `random_bits`.

    Returns:
        Float32 tensor of that shape.
    """
    high = tf.bitwise.right_shift(random_bits(shape, seed), 9)
    return (tf.cast(high, tf.float32) + (2.0**22 + 0.5)) * 2.0**-23


def normal(shape, seed):
    """Samples float32 standard normal numbers by the Box-Muller transform.

    Args:
        shape: Int tensor or list.
        seed: As of `random_bits`.

    Returns:
        Float32 tensor of that shape; no draw is beyond 5.8 in size.
    """
    if _is_by_row(seed):
        # The rows stay on the second axis.
        shape = tf.convert_to_tensor(shape, tf.int32)
        doubled = tf.concat([2 * shape[:1], shape[1:]], 0)
        halves = tf.split(uniform(doubled, seed), 2)
        first, second = (tf.reshape(half, shape) for half in halves)
    else:
        first, second = tf.unstack(uniform(tf.concat([[2], shape], 0), seed))
    return tf.sqrt(-2.0 * tf.math.log(first)) * tf.cos(2.0 * math.pi * second)


def _is_by_row(seed):
    """Tells whether a seed is one of each row."""
    return tf.convert_to_tensor(seed).shape.rank == 2
