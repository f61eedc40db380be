"""Dropout of activations and of words, as pure functions of a seed."""

import tensorflow as tf

from tfvae.checks import require
from tfvae.ops.sequences import BOS_ID, PAD_ID, UNK_ID
from tfvae.seeds import random_bits, uniform


def require_rate(name, rate):
    """Raises `ValueError` for a rate outside `[0, 1)`; constructors call it."""
    require(name, rate, 0.0 <= rate < 1.0, "in [0, 1)")


def dropout(inputs, rate, seed):
    """Zeroes each element with probability `rate` and scales the rest up.

    Computes `inputs * keep / (1 - rate)` with a new `keep` for every element, thus for
    every time step too. The same seed means the same mask, so a training run resumed
    at step `n` sees the masks of the uninterrupted run.

    Args:
        inputs: Float tensor of any shape.
        rate: Float in `[0, 1)`, the probability of a zero. At `0` the inputs are
            returned as they are.
        seed: Int tensor `[2]`, or `None` when `rate` is `0`.

    Returns:
        Float tensor of the shape of `inputs`.

    Raises:
        ValueError: If `rate` is outside `[0, 1)`, or positive without a seed.
    """
    require_rate("rate", rate)
    if rate == 0.0:
        return inputs
    if seed is None:
        raise ValueError(
            "Dropout in training needs a `seed`, an int tensor [2]. Pass "
            f"`seed=...` or `training=False`. Received: rate={rate}, seed=None"
        )
    # Raw bits: a seed means the same mask with and without XLA, and they are cheaper
    # than floats. Their range is [-2 ** 31, 2 ** 31).
    threshold = int((rate - 0.5) * 2**32)
    keep = tf.cast(random_bits(tf.shape(inputs), seed) >= threshold, inputs.dtype)
    return inputs * keep * (1.0 / (1.0 - rate))


def word_dropout(tokens, rate, seed):
    """Replaces words by `<unk>`, each independently with probability `rate`.

    On a decoder's inputs this takes the previous word away, so that the latent code is
    worth reading. Dropout on embeddings zeroes single coordinates of a word's vector,
    rescales the rest and leaves the word recognisable; here the whole word is gone,
    nothing is rescaled, and `<unk>` is an ordinary input.

    Args:
        tokens: Int tensor of any shape. Token ids; padding and `<s>` stay.
        rate: Float in `[0, 1]`, or a scalar float tensor.
        seed: Int tensor `[2]`. The same seed drops the same places.

    Returns:
        Int tensor of the shape and dtype of `tokens`.

    Raises:
        ValueError: If `rate` is a number outside `[0, 1]`.

    References:
        Bowman et al. (2016), Generating Sentences from a Continuous Space, section 3.1.

    Example:
    >>> word_dropout(tf.constant([[1, 7, 8, 0]]), 1.0, seed=[0, 1]).numpy()
    array([[1, 3, 3, 0]], dtype=int32)
    """
    require("rate", rate, tf.is_tensor(rate) or 0 <= rate <= 1, "within [0, 1]")
    tokens = tf.convert_to_tensor(tokens)
    chosen = uniform(tf.shape(tokens), seed) < rate
    dropped = chosen & (tokens != PAD_ID) & (tokens != BOS_ID)
    return tf.where(dropped, tf.cast(UNK_ID, tokens.dtype), tokens)
