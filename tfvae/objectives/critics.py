"""What critics of latent codes read: codes beside what is known, and fresh ones."""

import tensorflow as tf

from tfvae.distributions.sampling import sample
from tfvae.seeds import fold_in, uniform


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


def slopes(critic, z, fresh, known, seed, of_mean=False):
    """Computes the norms of a critic's gradient between codes and prior draws.

    Args:
        critic: Layer from codes beside what is known to scores `[..., 1]`.
        z: Float tensor `[S, B, Z]`.
        fresh: Float32 tensor `[S, B, Z]`; each point lies between two of a row.
        known: As of `score`.
        seed: Int tensor `[2]`, of the places.
        of_mean: Whether the gradient is of the mean score, not of each row's own, and
            then `S * B` times smaller. Defaults to `False`.

    Returns:
        Float32 tensor `[S, B]`, differentiable by the critic's weights.
    """
    z, fresh = (tf.stop_gradient(tf.cast(each, tf.float32)) for each in (z, fresh))
    share = uniform(tf.shape(z)[:-1], seed)[..., None]
    points = share * z + (1.0 - share) * fresh
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        scores = score(critic, points, known)
        if of_mean:
            scores = tf.reduce_mean(scores)
    squared = tf.reduce_sum(tape.gradient(scores, points) ** 2, -1)
    # The derivative of a norm of 0 is no number.
    return tf.sqrt(tf.maximum(squared, 1e-24))
