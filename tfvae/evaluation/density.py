"""What evaluation knows of a posterior: its density, its mean, its randomness."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents import Implicit

tfd = tfp.distributions


class ExactGaussian:
    """An `Implicit` latent with a linear network, read as the Gaussian that it is.

    Draws are the latent's own; what is added is their density.

    Args:
        latent: `Implicit` whose `gaussian` is defined.
    """

    has_density = True

    def __init__(self, latent):
        self.latent = latent
        self.support = latent.support
        self.latent_dim = latent.latent_dim

    def distribution(self, params):
        """Makes the `tfd.MultivariateNormalTriL`, batch `[B]` and event `[Z]`."""
        return self.latent.gaussian(params)

    def sample(self, params, num_samples, seed):
        """Draws codes `[S, B, Z]` and their log-density `[S, B]`; see `Latent`."""
        z, _ = self.latent.sample(params, num_samples, seed)
        return z, self.distribution(params).log_prob(z)


def with_density(posterior, params):
    """Gives a posterior's density where it is known though not offered.

    Args:
        posterior: `Latent`.
        params: Dict of its parameters, of any number of rows.

    Returns:
        An `ExactGaussian` of an `Implicit` latent with a linear network and noise of
        at least its dimensions, else the posterior itself.
    """
    if not isinstance(posterior, Implicit):
        return posterior
    try:
        posterior.gaussian(params)
    except ValueError:
        return posterior
    return ExactGaussian(posterior)


def is_random(distribution):
    """Says whether a distribution is more than a single point."""
    return not isinstance(distribution, tfd.VectorDeterministic)


def exact_mean(distribution):
    """Gives a distribution's mean where it is known.

    Args:
        distribution: TFP distribution, batch `[B]` and event `[Z]`.

    Returns:
        Float32 tensor `[B, Z]`, or `None`.
    """
    try:
        return distribution.mean()
    except NotImplementedError:
        return None


def mean_of_draws(z, num_draws):
    """Estimates each posterior's mean and the noise of the estimate.

    Args:
        z: Float tensor `[S, B, Z]`.
        num_draws: Int `S` of at least 2.

    Returns:
        Tuple of the means, `[B, Z]`, and their variances, `[B, Z]` in squared units of
        the code: the draws' unbiased variance over `S`.
    """
    mean, variance = tf.nn.moments(z, axes=[0])
    return mean, variance / (num_draws - 1)
