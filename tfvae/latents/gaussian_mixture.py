"""A mixture of Gaussians."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.distributions import gaussian_mixture
from tfvae.latents.gaussian import clip_log_variance
from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense


@keras.saving.register_keras_serializable("tfvae")
class GaussianMixture(Latent):
    """A mixture of diagonal Gaussians, all of it affine in the code.

    Densities are exact. Samples choose their component by a straight-through
    Gumbel-softmax, so that the mixing weights learn from what is made of samples too,
    by a biased gradient. The divergence from and to any other latent is estimated from
    samples.

    As a prior that reads no condition it is a mixture of learned components, whose
    means start apart by the heads' initial biases.

    Args:
        latent_dim: Positive int `Z`.
        num_components: Int `K` of at least 2.
        temperature: Positive float, of the relaxed choice that passes the gradient.
            Small ones are less biased and noisier. Defaults to `0.1`, the released
            one.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Raises:
        ValueError: If a number is out of range.

    References:
        Gu et al. 2019, DialogWAE: Multimodal Response Generation with Conditional
        Wasserstein Auto-Encoder, section 3.2, equations 7 to 9; there are 3 components
        for SWDA and 5 for DailyDialog in the released code. The log variance is
        clipped as in `Gaussian`.
    """

    def __init__(
        self,
        latent_dim,
        num_components=5,
        temperature=0.1,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if num_components < 2:
            raise ValueError(
                "`num_components` must be at least 2. Use `Gaussian` for one. "
                f"Received: num_components={num_components}"
            )
        require("temperature", temperature, temperature > 0.0, "positive")
        self.num_components = num_components
        self.temperature = temperature
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        size = self.num_components * self.latent_dim
        sizes = {"logits": self.num_components, "loc": size, "log_variance": size}
        self.heads = {
            name: dense(units, code_dim, initializer=self.initializer, name=name)
            for name, units in sizes.items()
        }
        self.built = True

    def call(self, code, training=False):
        """Computes `logits` `[B, K]`, `loc` and `log_variance` `[B, K, Z]`."""
        params = float32({name: head(code) for name, head in self.heads.items()})
        shape = [-1, self.num_components, self.latent_dim]
        log_variance = clip_log_variance(params["log_variance"])
        return {
            "logits": params["logits"],
            "loc": tf.reshape(params["loc"], shape),
            "log_variance": tf.reshape(log_variance, shape),
        }

    def distribution(self, params):
        """Creates the mixture."""
        return gaussian_mixture.GaussianMixture(
            params["logits"],
            params["loc"],
            tf.exp(0.5 * params["log_variance"]),
            self.temperature,
        )

    def mode(self, params):
        """Returns the mean of the most probable component.

        The mode of the mixture, which has no closed form, may lie elsewhere.
        """
        index = tf.argmax(params["logits"], -1)
        return tf.gather(params["loc"], index, batch_dims=1)
