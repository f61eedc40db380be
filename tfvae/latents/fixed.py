"""Distributions without parameters: the usual priors."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent
from tfvae.seeds import normal

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class StandardNormal(Latent):
    """The standard normal `N(0, I)`, whatever the code.

    Args:
        latent_dim: Positive int `Z`.

    Raises:
        ValueError: If `latent_dim` is not positive.

    Example:
    >>> prior = StandardNormal(2)
    >>> prior.distribution({"loc": tf.zeros([1, 2])}).log_prob([[0.0, 0.0]]).numpy()
    array([-1.837877], dtype=float32)
    """

    def build(self, input_shape):
        """Creates nothing."""
        self.built = True

    def call(self, code, training=False):
        """Gives a zero mean for each row of the code `[B, C]`."""
        return {"loc": tf.zeros([tf.shape(code)[0], self.latent_dim])}

    def distribution(self, params):
        """Makes `N(0, I)` with one batch entry a row."""
        return tfd.Independent(tfd.Normal(params["loc"], 1.0), 1)

    def point(self, params):
        """Gives the origin."""
        return params["loc"]

    def sample(self, params, num_samples, seed):
        """Draws codes `[S, B, Z]` and their log-density `[S, B]`; see `Latent`."""
        shape = tf.concat([[num_samples], tf.shape(params["loc"])], 0)
        z = params["loc"] + normal(shape, seed)
        return z, self.distribution(params).log_prob(z)
