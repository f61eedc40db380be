"""Dropout as a pure function of its seed."""

import tensorflow as tf

from tfvae.seeds import random_bits


def require_rate(name, rate):
    """Refuses a share outside `[0, 1)`, for the constructors of parts."""
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={rate}")


def dropout(inputs, rate, seed):
    """Zeroes each element with probability `rate` and scales the rest up.

    Computes `inputs * keep / (1 - rate)` with `keep` drawn afresh for every element,
    thus for every time step too. The same seed gives the same mask, so that a
    training run resumed at step `n` sees the masks of the uninterrupted run.

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
