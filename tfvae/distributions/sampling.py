"""Samples from distributions that are the same with and without XLA."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.seeds import normal, uniform

tfd = tfp.distributions


def sample(distribution, num_samples, seed):
    """Samples from a distribution.

    TFP's own samples differ with and without XLA. Here Gaussians are an affine map of
    this library's normal numbers, and a `tfd.Independent` of a distribution with a
    `quantile` (Student's t, Laplace, Gumbel, ...) inverts it at uniform numbers of 23
    bits, so tails beyond a probability of 6e-8 are missing. Any other distribution
    samples itself: those of this library see to it, and point masses need no noise.

    Args:
        distribution: TFP distribution, batch `[B]` and event `[Z]`.
        num_samples: Positive int `S`.
        seed: Int tensor `[2]`, or `[B, 2]` for a seed of each row.

    Returns:
        Float32 tensor `[S, B, Z]`, differentiable where the distribution is
        reparameterised.
    """
    z = _own_samples(distribution, num_samples, seed)
    return distribution.sample(num_samples, seed=seed) if z is None else z


def sample_and_log_prob(distribution, num_samples, seed):
    """Samples from a distribution with a density; see `sample`.

    Returns:
        Tuple of `z`, float32 `[S, B, Z]`, and its log-density, float32 `[S, B]` in
        nats, which flows compute on the way.
    """
    z = _own_samples(distribution, num_samples, seed)
    if z is None:
        return distribution.experimental_sample_and_log_prob(num_samples, seed=seed)
    return z, distribution.log_prob(z)


def _own_samples(distribution, num_samples, seed):
    """Returns samples `[S, B, Z]`, or `None` where the distribution samples itself."""

    def draw(generator):
        batch, event = distribution.batch_shape_tensor, distribution.event_shape_tensor
        return generator(tf.concat([[num_samples], batch(), event()], 0), seed)

    if isinstance(distribution, tfd.MultivariateNormalLinearOperator):
        return distribution.loc + distribution.scale.matvec(draw(normal))
    if not isinstance(distribution, tfd.Independent):
        return None
    base = distribution.distribution
    if isinstance(base, tfd.Normal):
        return base.loc + base.scale * draw(normal)
    try:
        return base.quantile(draw(uniform))
    except NotImplementedError:
        return None
