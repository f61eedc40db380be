"""A code without noise."""

import keras
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class Deterministic(Latent):
    """The latent of an autoencoder: `z = head(code)`, one point, no density.

    Such a model has no likelihood of the data, so evaluation reports metrics of
    reconstruction and of the representation only.

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

    def build(self, *, code_dim):
        """Creates the head for codes `[B, C]`."""
        self.head = dense(
            self.latent_dim, code_dim, initializer=self.initializer, name="loc"
        )
        self.built = True

    def call(self, code, training=False):
        """Computes `loc` from the code."""
        return float32({"loc": self.head(code)})

    def distribution(self, params):
        """Creates the point mass at `loc`; it samples but has no density."""
        return tfd.VectorDeterministic(params["loc"])

    def mode(self, params):
        """Returns the code itself."""
        return params["loc"]
