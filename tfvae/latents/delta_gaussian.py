"""A Gaussian whose divergence from the standard normal has a floor."""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.gaussian import Gaussian
from tfvae.latents.latent import Latent

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class DeltaGaussian(Latent):
    """A diagonal Gaussian at least `rate` nats away from a standard normal.

    Means are affine in the code, and log variances are
    `largest - softplus(affine(code))`, with `largest` below 0 and such that a dimension
    of mean 0 has `(exp(largest) - 1 - largest) / 2 = rate / Z`. A smaller variance and
    any other mean only add to that, so
    `KL(q(z|x) || N(0, I)) = sum((loc**2 + variance - 1 - log(variance)) / 2) >= rate`
    whatever the parameters.

    The rate is paid whether the decoder reads the code or not: a collapsed model has
    means of 0 and pays for variances below 1, so the divergence alone does not tell
    that the code is used. What the rate buys is less noise: the same distance between
    the means of two sentences costs what it did and tells more.

    Args:
        latent_dim: Positive int `Z`.
        rate: Positive float, nats of the whole code, shared alike by its dimensions.
            Defaults to `5.0`.
        batch_normalization: Whether the heads are batch normalised; see `Gaussian`.
            Defaults to `False`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Attributes:
        largest_log_variance: Float, the bound above.

    Raises:
        ValueError: If `latent_dim` or `rate` is not positive, or `rate` is above 9 nats
            a dimension, where log variances are below -19.

    Example:
    >>> posterior = DeltaGaussian(2, rate=1.0)
    >>> round(posterior.largest_log_variance, 4)
    -1.8414

    References:
        Razavi et al. 2019, Preventing Posterior Collapse with delta-VAEs. The paper's
        codes are sequences whose prior is autoregressive of order 1, which posteriors
        of independent steps cannot match. For independent dimensions, as here, it
        bounds the variance from both sides and keeps the mean from 0 where the variance
        is near the prior's; here the mean is free and the variance alone bounded.
    """

    def __init__(
        self,
        latent_dim,
        rate=5.0,
        batch_normalization=False,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if not 0.0 < rate <= 9.0 * latent_dim:
            raise ValueError(
                f"`rate` must be positive and at most {9 * latent_dim}, 9 nats a "
                f"dimension. Received: rate={rate}, latent_dim={latent_dim}"
            )
        self.base = Gaussian(
            latent_dim,
            batch_normalization=batch_normalization,
            initializer=initializer,
            dtype=dtype,
        )
        self.rate = rate
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)
        self.largest_log_variance = largest_log_variance(rate / latent_dim)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        self.base.build(code_dim=code_dim)
        self.built = True

    def call(self, code, training=False):
        """Computes `loc` and `raw_log_variance`, `[B, Z]`, from the code."""
        params = self.base(code, training=training)
        return {"loc": params["loc"], "raw_log_variance": params["log_variance"]}

    def distribution(self, params):
        """Creates the Gaussian; any real numbers will do as `params`."""
        below = tf.nn.softplus(params["raw_log_variance"])
        scale = tf.exp(0.5 * (self.largest_log_variance - below))
        return tfd.Independent(tfd.Normal(params["loc"], scale), 1)

    def mode(self, params):
        """Returns the mean, which is the mode."""
        return params["loc"]


def largest_log_variance(rate):
    """Solves `(exp(v) - 1 - v) / 2 = rate` for the log variance `v` below 0.

    Args:
        rate: Positive float, in nats.

    Returns:
        Float.

    Example:
    >>> v = largest_log_variance(0.5)
    >>> round(0.5 * (math.exp(v) - 1.0 - v), 9)
    0.5
    """
    # Left of the root of a convex function, from where Newton's steps only ascend.
    value = -1.0 - 2.0 * rate
    for _ in range(100):
        excess = 0.5 * (math.expm1(value) - value) - rate
        value -= excess / (0.5 * math.expm1(value))
    return value
