"""Latents without a density: a point, and networks of noise or of other samples."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import samplers

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import MLP, batch_norm, dense, require_hidden_dims
from tfvae.layers.rnn import uniform_by_width
from tfvae.seeds import normal

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class Deterministic(Latent):
    """The latent of an autoencoder: `z = head(code)`, one point, no density.

    Such a model has no likelihood of the data, so evaluation reports metrics of
    reconstruction and of the representation only.

    Args:
        latent_dim: Positive int `Z`.
        initializer: Keras initializer of the head, or `None` for PyTorch's.
        batch_normalization: Whether the head is batch normalised as the mean of a
            `Gaussian`. Defaults to `False`.

    Raises:
        ValueError: If `latent_dim` is not positive.

    References:
        Bahuleyan et al. 2019, section 2 (the deterministic encoder, WAE-D).
    """

    has_density = False
    is_random = False

    def __init__(
        self,
        latent_dim,
        initializer=None,
        batch_normalization=False,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        self.initializer = keras.initializers.get(initializer)
        self.batch_normalization = batch_normalization

    def build(self, *, code_dim):
        """Creates the head for codes `[B, C]`."""
        self.head = dense(
            self.latent_dim, code_dim, initializer=self.initializer, name="loc"
        )
        self.norm = None
        if self.batch_normalization:
            self.norm = batch_norm(self.latent_dim, "loc_norm")
        self.built = True

    def call(self, code, training=False):
        """Computes `loc` from the code."""
        loc = self.head(code)
        if self.norm is not None:
            loc = self.norm(loc, training=training)
        return float32({"loc": loc})

    def distribution(self, params):
        """Creates the point mass at `loc`; it samples but has no density."""
        return tfd.VectorDeterministic(params["loc"])

    def mode(self, params):
        """Returns the code itself."""
        return params["loc"]


@keras.saving.register_keras_serializable("tfvae")
class Implicit(Latent):
    """Codes `z = network([code; noise])` with standard normal noise and no density.

    Costs that need a density cannot be used with it; `DualKL` and `MMD` can. Without
    `hidden_dims` the network is affine, and the distribution is a Gaussian whose
    covariance is the same for every sentence: `gaussian` creates it. With them there
    are ReLU layers before the last, linear one.

    Args:
        latent_dim: Positive int `Z`.
        noise_dim: Positive int `N`, or `None` for `latent_dim`.
        hidden_dims: Tuple of positive ints, widths of the ReLU layers. Defaults to
            `()`, as in iVAE's released code for language models.
        initializer: Keras initializer, or `None` for PyTorch's.

    Raises:
        ValueError: If a width is not positive.

    References:
        Fang et al. 2019, Implicit Deep Latent Variable Models for Text Generation,
        section 3.1, equation 6: any neural network of code and noise. Section 5.1
        names a multi-layer perceptron; the released code has one linear layer.
    """

    has_density = False

    def __init__(
        self,
        latent_dim,
        noise_dim=None,
        hidden_dims=(),
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if noise_dim is not None and noise_dim < 1:
            raise ValueError(
                "`noise_dim` must be positive, or None for `latent_dim`. "
                f"Received: noise_dim={noise_dim}"
            )
        require_hidden_dims(hidden_dims)
        self.noise_dim = noise_dim
        self.hidden_dims = tuple(hidden_dims)
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the network for codes `[B, C]`.

        Its first layer is one affine map of `[code; noise]`, held as two, so that the
        code's part is computed once for all samples.
        """
        self._noise_width = self.noise_dim or self.latent_dim
        units = (*self.hidden_dims, self.latent_dim)[0]
        initializer = self.initializer or uniform_by_width(code_dim + self._noise_width)
        self.of_code = dense(units, code_dim, initializer=initializer, name="of_code")
        self.of_noise = dense(
            units,
            self._noise_width,
            use_bias=False,
            initializer=initializer,
            name="of_noise",
        )
        self.rest = None
        if self.hidden_dims:
            self.rest = MLP(
                units,
                self.hidden_dims[1:],
                self.latent_dim,
                initializer=self.initializer,
                name="rest",
            )
        self.built = True

    def call(self, code, training=False):
        """Computes `projected` `[B, H]`, the code's part of the first layer."""
        return {"projected": tf.cast(self.of_code(code), tf.float32)}

    def distribution(self, params):
        """Creates a distribution that can be sampled and has no density."""
        return ImplicitDistribution(
            lambda num_samples, seed: self.sample(params, num_samples, seed)[0],
            tf.shape(params["projected"])[0],
            self.latent_dim,
        )

    def mode(self, params):
        """Returns the code at zero noise.

        With a linear network that is the mean and the mode; otherwise it is the code
        of the likeliest noise.
        """
        return self._finish(params["projected"])

    def sample(self, params, num_samples, seed):
        """Samples codes `[S, B, Z]`; the second value is `None`."""
        projected = params["projected"]
        shape = [num_samples, tf.shape(projected)[0], self._noise_width]
        noise = normal(shape, seed)
        moved = projected + tf.cast(self.of_noise(noise), tf.float32)
        return self._finish(moved), None

    def gaussian(self, params):
        """Creates the Gaussian of the codes of a linear network.

        Its covariance is `W' W` with `W` the noise's part of the network.

        Args:
            params: Dict from `call`.

        Returns:
            `tfd.MultivariateNormalTriL`, batch `[B]` and event `[Z]`.

        Raises:
            ValueError: If the network is not linear, or the noise has fewer dimensions
                than the code, which leaves it without a density.
        """
        if self.hidden_dims or self._noise_width < self.latent_dim:
            raise ValueError(
                "`gaussian` needs `hidden_dims=()` and a `noise_dim` of at least "
                f"`latent_dim`. Received: hidden_dims={self.hidden_dims}, "
                f"noise_dim={self._noise_width}, latent_dim={self.latent_dim}"
            )
        kernel = tf.cast(self.of_noise.kernel.value, tf.float32)
        # Of a QR decomposition rather than of the product, which squares the
        # condition number.
        factor = tf.transpose(tf.linalg.qr(kernel).r)
        factor *= tf.where(tf.linalg.diag_part(factor) < 0.0, -1.0, 1.0)
        return tfd.MultivariateNormalTriL(params["projected"], factor)

    def _finish(self, projected):
        """Applies the layers after the first one."""
        if self.rest is None:
            return projected
        return tf.cast(self.rest(tf.nn.relu(projected)), tf.float32)


class ImplicitDistribution(tfd.Distribution):
    """The distribution of a function of the parameters and noise.

    It can be sampled, differentiably where the function is; every request for a
    density raises `NotImplementedError`.

    Args:
        sampler: Function of an int `S` and a seed, int `[2]`, to float32 `[S, B, Z]`.
        batch_size: Int or int scalar tensor `B`.
        event_dim: Int `Z`.
    """

    def __init__(self, sampler, batch_size, event_dim, name="ImplicitDistribution"):
        parameters = dict(locals())
        self.sampler = sampler
        self.batch_size = batch_size
        self.event_dim = event_dim
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _batch_shape(self):
        return tf.TensorShape([tf.get_static_value(self.batch_size)])

    def _batch_shape_tensor(self):
        return tf.convert_to_tensor([self.batch_size], tf.int32)

    def _event_shape(self):
        return tf.TensorShape([self.event_dim])

    def _event_shape_tensor(self):
        return tf.constant([self.event_dim], tf.int32)

    def _sample_n(self, n, seed=None):
        return self.sampler(n, samplers.sanitize_seed(seed))


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
