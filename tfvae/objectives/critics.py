"""What critics of latent codes read: codes beside what is known, and fresh ones."""

import tensorflow as tf

from tfvae.distributions.sampling import sample
from tfvae.seeds import fold_in


def beside(z, known):
    """Joins codes with what is known of their rows, whose gradient is stopped.

    Args:
        z: Float tensor `[S, B, Z]`.
        known: List of float tensors `[B, ...]`, which come first.

    Returns:
        Float tensor `[S, B, ...]`.
    """
    for part in reversed(known):
        part = tf.stop_gradient(part)
        shape = tf.concat([tf.shape(z)[:1], tf.shape(part)], 0)
        z = tf.concat([tf.broadcast_to(part, shape), tf.cast(z, part.dtype)], -1)
    return z


def score(critic, z, known=()):
    """Scores codes beside what is known, float32 `[S, B]`; see `beside`."""
    return tf.cast(critic(beside(z, known))[..., 0], tf.float32)


def prior_codes(forward, stream, index, passes_gradient=True):
    """Samples as many codes of each row's prior as a record has of its posterior.

    Args:
        forward: A `Forward`.
        stream: `Stream` of the term that asks.
        index: Int, the number of the critic step, for fresh samples.
        passes_gradient: Whether the prior may learn from them. Defaults to `True`.

    Returns:
        Float32 tensor `[S, B, Z]`.
    """
    seed = fold_in(fold_in(forward.seed, stream), index)
    fresh = sample(forward.prior, tf.shape(forward.z)[0], seed)
    return fresh if passes_gradient else tf.stop_gradient(fresh)
