"""Draws from a distribution that are the same with and without XLA."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.seeds import normal

tfd = tfp.distributions


def draw(distribution, num_samples, seed):
    """Draws from a distribution.

    TFP's own draws of Gaussians differ with and without XLA; those of other
    distributions are left to them, since this library's classes see to it themselves.

    Args:
        distribution: TFP distribution, batch `[B]` and event `[Z]`.
        num_samples: Positive int `S`.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor `[S, B, Z]`, differentiable where the distribution is
        reparameterised.
    """
    is_multivariate = isinstance(distribution, tfd.MultivariateNormalLinearOperator)
    is_diagonal = isinstance(distribution, tfd.Independent) and isinstance(
        distribution.distribution, tfd.Normal
    )
    if not (is_multivariate or is_diagonal):
        return distribution.sample(num_samples, seed=seed)
    shape = tf.concat(
        [
            [num_samples],
            distribution.batch_shape_tensor(),
            distribution.event_shape_tensor(),
        ],
        axis=0,
    )
    noise = normal(shape, seed)
    if is_diagonal:
        inner = distribution.distribution
        return inner.loc + inner.scale * noise
    return distribution.loc + distribution.scale.matvec(noise)
