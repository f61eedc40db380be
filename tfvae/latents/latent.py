"""Posteriors `q(z|x)` and priors `p(z|c)`: the base class, a network before any."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.distributions import sampling
from tfvae.layers.component import Component
from tfvae.layers.dense import MLP, require_hidden_dims


class Latent(Component):
    """Maps a code to the parameters of a distribution over latent codes.

    Parameters travel as a dict of plain tensors; the distribution is made from them
    where it is needed and is never stored, so that nothing hides from saving,
    exporting or refinement.

    A subclass implements `call`, `distribution` and `mode`, and creates its weights
    in `build(code_dim=C)`. `sample` then works, the same with and without XLA for the
    distributions that `tfvae.distributions.sampling.sample` knows.

    Args:
        latent_dim: Positive int `Z`.

    Attributes:
        has_density: Whether `distribution` has log-densities.
        is_random: Whether a code is more than a function of the parameters.
        support: `"real"`, or `"sphere"` for unit vectors.
        latent_dim: Int `Z`.
    """

    has_density = True
    is_random = True
    support = "real"

    def __init__(self, latent_dim, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        require("latent_dim", latent_dim, latent_dim >= 1, "positive")
        self.latent_dim = latent_dim

    def call(self, code, training=False):
        """Computes parameters, a dict of tensors `[B, ...]`, from codes `[B, C]`."""
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")

    def distribution(self, params):
        """Creates the TFP distribution, batch `[B]` and event `[Z]`, in float32."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `distribution`."
        )

    def mode(self, params):
        """Returns the one code that stands for each row, without noise.

        Reconstructions, interpolations and nearest neighbours start from it. It is the
        mode of the distribution where that has a closed form; otherwise see the
        subclass.

        Args:
            params: Dict of tensors from `call`.

        Returns:
            Float32 tensor `[B, Z]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `mode`.")

    def sample(self, params, num_samples, seed):
        """Samples codes with their log-density.

        Args:
            params: Dict of tensors from `call`.
            num_samples: Positive int `S`.
            seed: Int tensor `[2]`.

        Returns:
            Tuple of `z`, float32 `[S, B, Z]`, and `log_q`, float32 `[S, B]` in nats,
            or `None` where the latent has no density.
        """
        distribution = self.distribution(params)
        if not self.has_density:
            return sampling.sample(distribution, num_samples, seed), None
        return sampling.sample_and_log_prob(distribution, num_samples, seed)


def float32(params):
    """Casts a dict of tensors to float32, the precision of every distribution."""
    return {name: tf.cast(value, tf.float32) for name, value in params.items()}


@keras.saving.register_keras_serializable("tfvae")
class Deep(Latent):
    """Any latent, computed from hidden layers of the code instead of the code itself.

    `Deep(Gaussian(8), (200, 200))` is a Gaussian whose mean and log variance are affine
    in the second of two tanh layers: the usual recognition network and, with a
    condition, the usual prior network. All but the parameters is that of the latent.

    Args:
        latent: `Latent` whose heads read the last hidden layer.
        hidden_dims: Tuple of positive ints, widths of the hidden layers.
        activation: Name of a Keras activation. Defaults to `"tanh"`.
        batch_normalization: Whether hidden layers are batch normalised before their
            activation. Defaults to `False`.
        initializer: Keras initializer of the hidden layers, or `None` for PyTorch's.

    Raises:
        ValueError: If there is no hidden layer or a width is not positive.

    References:
        Zhao et al. 2017, Learning Discourse-level Diversity for Neural Dialog Models,
        section 3.1 (the prior network has a hidden layer); Gu et al. 2019, DialogWAE,
        section 4.1 (two of 200, batch normalised, tanh).
    """

    def __init__(
        self,
        latent,
        hidden_dims,
        activation="tanh",
        batch_normalization=False,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent.latent_dim, name=name, dtype=dtype)
        require_hidden_dims(hidden_dims)
        if not hidden_dims:
            raise ValueError(
                "`hidden_dims` must hold a width. Use the latent itself for none. "
                f"Received: hidden_dims={hidden_dims}"
            )
        self.latent = latent
        self.hidden_dims = tuple(hidden_dims)
        self.activation = activation
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)
        self.has_density = latent.has_density
        self.is_random = latent.is_random
        self.support = latent.support

    def build(self, *, code_dim):
        """Creates the hidden layers for codes `[B, C]` and the latent's heads."""
        self.hidden = MLP(
            code_dim,
            self.hidden_dims,
            activation=self.activation,
            batch_normalization=self.batch_normalization,
            initializer=self.initializer,
            name="hidden",
        )
        self.latent.build(code_dim=self.hidden_dims[-1])
        self.built = True

    def call(self, code, training=False):
        """Computes the latent's parameters."""
        return self.latent(self.hidden(code, training=training), training=training)

    def distribution(self, params):
        """Creates the latent's distribution."""
        return self.latent.distribution(params)

    def mode(self, params):
        """Returns what stands for each row in the latent."""
        return self.latent.mode(params)

    def sample(self, params, num_samples, seed):
        """Samples as the latent does; see `Latent.sample`."""
        return self.latent.sample(params, num_samples, seed)
