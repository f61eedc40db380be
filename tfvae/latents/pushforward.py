"""The distribution of a network of samples from another latent."""

import keras
import tensorflow as tf

from tfvae.latents.implicit import ImplicitDistribution
from tfvae.latents.latent import Latent
from tfvae.layers.dense import MLP, require_hidden_dims


@keras.saving.register_keras_serializable("tfvae")
class Pushforward(Latent):
    """Codes `z = network(e)` with `e` sampled from another latent, and no density.

    The network is the same for every row; what depends on the sentence or its context
    is the distribution of `e`, noise of learned mean and scale or of several modes.
    In `Implicit` it is the other way round: standard noise enters a network beside the
    code. Without `hidden_dims` the network is affine; with them there are ReLU layers
    before the last, linear one.

    Costs that need a density cannot be used with it; `DualKL`, `Wasserstein` and `MMD`
    can. It serves as a posterior and as a prior: `Pushforward(StandardNormal(32), 128)`
    is the generator of an adversarially regularised autoencoder.

    Args:
        base: `Latent` of `e`.
        latent_dim: Positive int `Z`, the width of the codes.
        hidden_dims: Tuple of positive ints, widths of the ReLU layers. Defaults to
            `()`.
        initializer: Keras initializer of the network, or `None` for PyTorch's.

    Raises:
        ValueError: If a width is not positive.

    References:
        Gu et al. 2019, DialogWAE, section 3.1, equations 4 and 6: generators of
        context-dependent noise. Their released generators are batch normalised, which
        lets a code depend on the others of its batch; here they are not.
    """

    has_density = False

    def __init__(
        self,
        base,
        latent_dim,
        hidden_dims=(),
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        require_hidden_dims(hidden_dims)
        self.base = base
        self.hidden_dims = tuple(hidden_dims)
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the base's weights for codes `[B, C]`, and the network."""
        self.base.build(code_dim=code_dim)
        self.network = MLP(
            self.base.latent_dim,
            self.hidden_dims,
            self.latent_dim,
            initializer=self.initializer,
            name="network",
        )
        self.built = True

    def call(self, code, training=False):
        """Computes the base's parameters."""
        return self.base(code, training=training)

    def distribution(self, params):
        """Creates a distribution that can be sampled and has no density."""
        return ImplicitDistribution(
            lambda num_samples, seed: self.sample(params, num_samples, seed)[0],
            tf.shape(self.base.mode(params))[0],
            self.latent_dim,
        )

    def mode(self, params):
        """Returns the network of what stands for each row in the base.

        With an affine network that is the mode if the base's is; else it is the code
        of the likeliest noise.
        """
        return self._pushed(self.base.mode(params))

    def sample(self, params, num_samples, seed):
        """Samples codes `[S, B, Z]`; the second value is `None`."""
        return self._pushed(self.base.sample(params, num_samples, seed)[0]), None

    def _pushed(self, noise):
        return tf.cast(self.network(noise), tf.float32)
