"""Draws from categorical distributions over large vocabularies."""

import math

import tensorflow as tf

_IMPOSSIBLE = -1e9
# The bit pattern of 1.0; those of non-negative floats are in the order of the floats.
_BITS_OF_ONE = 0x3F800000


def categorical(logits, noise):
    """Draws a class for each row by inverting the distribution function.

    The classes are cut into about `sqrt(V)` blocks: the first number of the noise
    picks a block, the second a class within it. So two numbers a row are enough,
    where the Gumbel trick takes `V`, and a rare class keeps the resolution that one
    running sum over all classes in float32 would lose. Draws with and without XLA are
    the same but for rounding.

    Args:
        logits: Float32 tensor `[N, V]`; a class at -1e9 or lower is never drawn where
            another is above.
        noise: Float32 tensor `[N, 2]`, independent, uniform in the open `(0, 1)`.

    Returns:
        Int32 tensor `[N]`.

    Example:
    >>> logits = tf.math.log([[0.1, 0.2, 0.3, 0.4]])
    >>> categorical(logits, [[0.2, 0.5]]).numpy()
    array([1], dtype=int32)
    """
    num_classes = logits.shape[-1]
    size = math.isqrt(num_classes - 1) + 1
    num_blocks = -(-num_classes // size)
    weights = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
    missing = num_blocks * size - num_classes
    if missing:
        weights = tf.pad(weights, [[0, 0], [0, missing]])
    weights = tf.reshape(weights, [-1, num_blocks, size])
    noise = tf.convert_to_tensor(noise, tf.float32)
    block = _invert(tf.reduce_sum(weights, -1), noise[:, 0])
    inside = _invert(tf.gather(weights, block, batch_dims=1), noise[:, 1])
    return block * size + inside


def _invert(weights, uniform):
    """Finds the first class whose running sum reaches a share of the total.

    Args:
        weights: Float32 tensor `[N, K]`, not negative.
        uniform: Float32 tensor `[N]` in `(0, 1)`.

    Returns:
        Int32 tensor `[N]`, a class of positive weight.
    """
    sums = tf.cumsum(weights, axis=-1)
    reached = sums >= uniform[:, None] * sums[:, -1:]
    # Rounded sums need not grow with the classes, hence the care for weight 0.
    scores = tf.where(weights > 0, tf.where(reached, 2.0, weights / sums[:, -1:]), -1.0)
    return tf.argmax(scores, -1, output_type=tf.int32)


def keep_largest(logits, num):
    """Finds the classes of the largest logits.

    Args:
        logits: Float32 tensor `[N, V]`.
        num: Positive int; all classes where there are fewer.

    Returns:
        Tuple of their logits, float32 `[N, num]` from large to small, and the
        classes, int32 `[N, num]`; of equal ones the first come first.
    """
    return tf.math.top_k(logits, min(num, logits.shape[-1]))


def keep_nucleus(logits, mass):
    """Rules out all classes but the nucleus, the likeliest that hold a given mass.

    The nucleus is the smallest set of likeliest classes whose probabilities sum to at
    least `mass`, together with those as probable as the last of them. The least
    probability in it is found by bisection over the floats, which takes 30 sums where
    sorting a large vocabulary takes longer.

    Args:
        logits: Float32 tensor `[N, V]`.
        mass: Float in `(0, 1]`.

    Returns:
        Float32 tensor `[N, V]`, the logits with -1e9 outside of the nucleus.

    Example:
    >>> keep_nucleus(tf.math.log([[0.5, 0.3, 0.2]]), 0.6).numpy().round(2)
    array([[-6.9e-01, -1.2e+00, -1.0e+09]], dtype=float32)

    References:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, section 3.1.
    """
    probs = tf.nn.softmax(logits)
    num_rows = tf.shape(probs)[0]
    # The mass is enough at `low` and too little at `high`, bit patterns of floats.
    low = tf.zeros([num_rows], tf.int32)
    high = tf.fill([num_rows], _BITS_OF_ONE + 1)

    def halve(step, low, high):
        middle = low + (high - low) // 2
        least = tf.bitcast(middle, tf.float32)[:, None]
        held = tf.reduce_sum(tf.where(probs >= least, probs, 0.0), -1)
        enough = held >= mass
        low, high = tf.where(enough, middle, low), tf.where(enough, high, middle)
        return step + 1, low, high

    _, low, _ = tf.while_loop(lambda step, *_: step < 30, halve, (0, low, high))
    least = tf.bitcast(low, tf.float32)[:, None]
    return tf.where(probs >= least, logits, _IMPOSSIBLE)
