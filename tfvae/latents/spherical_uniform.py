"""The uniform distribution over directions, the prior of a von Mises-Fisher."""

import keras
import tensorflow as tf

from tfvae.distributions import spherical_uniform
from tfvae.latents.latent import Latent


@keras.saving.register_keras_serializable("tfvae")
class SphericalUniform(Latent):
    """The uniform distribution over unit vectors, whatever the code.

    Args:
        latent_dim: Int `Z` of at least 2.

    Raises:
        ValueError: If `latent_dim` is below 2.

    Example:
    >>> prior = SphericalUniform(3)
    >>> params = prior(tf.zeros([1, 0]))
    >>> prior.distribution(params).log_prob([[0.0, 1.0, 0.0]]).numpy().round(4)
    array([-2.531], dtype=float32)
    """

    support = "sphere"

    def __init__(self, latent_dim, *, name=None, dtype=None):
        super().__init__(latent_dim, name=name, dtype=dtype)
        require_sphere(latent_dim)

    def build(self, input_shape):
        """Creates nothing."""
        self.built = True

    def call(self, code, training=False):
        """Gives the first axis for each row of the code `[B, C]`."""
        index = tf.zeros([tf.shape(code)[0]], tf.int32)
        return {"direction": tf.one_hot(index, self.latent_dim)}

    def distribution(self, params):
        """Makes the uniform distribution with one batch entry a row."""
        return spherical_uniform.SphericalUniform(
            self.latent_dim, tf.shape(params["direction"])[:1]
        )

    def point(self, params):
        """Gives the first axis: no direction is preferred."""
        return params["direction"]


def require_sphere(latent_dim):
    """Refuses spheres of fewer than two coordinates, for constructors."""
    if latent_dim < 2:
        raise ValueError(
            "`latent_dim` must be at least 2 for codes on a sphere. "
            f"Received: latent_dim={latent_dim}"
        )
