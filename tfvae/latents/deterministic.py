"""A code without noise."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class Deterministic(Latent):
    """The latent of an autoencoder: `z = head(code)`, one point, no density.

    There is no likelihood of the data under such a model, so evaluation reports
    reconstruction and representation measures only.

    Args:
        latent_dim: Positive int `Z`.
        initializer: Keras initializer of the head, or `None` for PyTorch's.

    Raises:
        ValueError: If `latent_dim` is not positive.

    References:
        Bahuleyan et al. 2019, section 2 (the deterministic encoder, WAE-D).
    """

    has_density = False

    def __init__(self, latent_dim, initializer=None, *, name=None, dtype=None):
        super().__init__(latent_dim, name=name, dtype=dtype)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Creates the head for codes `[B, C]`."""
        self.head = dense(
            self.latent_dim, input_shape[-1], initializer=self.initializer, name="loc"
        )
        self.built = True

    def call(self, code, training=False):
        """Computes `loc` from the code."""
        return float32({"loc": self.head(code)})

    def distribution(self, params):
        """Makes the point mass at `loc`; it samples but has no density."""
        return tfd.VectorDeterministic(params["loc"])

    def point(self, params):
        """Gives the code itself."""
        return params["loc"]

    def sample(self, params, num_samples, seed):
        """Repeats the code `num_samples` times; the second value is `None`."""
        return tf.repeat(params["loc"][None], num_samples, axis=0), None
