"""A Gaussian with the copula of a diagonal plus a rank-one covariance."""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks import require_one_of
from tfvae.distributions.gaussian_copula import rank_one_scale_tril
from tfvae.latents.gaussian import Gaussian
from tfvae.latents.latent import Latent, float32
from tfvae.layers.component import Component
from tfvae.layers.dense import batch_norm, dense
from tfvae.seeds import normal

tfd = tfp.distributions

_ACTIVATIONS = ("softplus", "relu")


@keras.saving.register_keras_serializable("tfvae")
class CopulaHead(Component):
    """Maps a code to a covariance `diag(diagonal) + factor factor'`.

    `diagonal = activation(affine(code)) + floor`, one number or one per dimension, and
    `factor = tanh(affine(code))`.

    Args:
        latent_dim: Positive int `Z`.
        floor: Positive float, the least of the diagonal. As it goes to 0 the copula
            density has no bound. Defaults to `0.5`, of the released code.
        activation: `"softplus"` or `"relu"`, of the diagonal. Defaults to
            `"softplus"`, whose gradient does not vanish.
        per_dimension: Whether the diagonal has one number per dimension (released
            code) instead of one for all (paper). Defaults to `False`.
        batch_normalization: Whether the factor is batch normalised before its tanh
            (momentum 0.9, epsilon 1e-5), as in the released code. Defaults to `False`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Raises:
        ValueError: If `floor` is not positive, `activation` is unknown, or batch
            normalisation meets a code of width 0.

    References:
        Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder,
        algorithm 1, which has a ReLU without a floor: the covariance may be singular.
    """

    def __init__(
        self,
        latent_dim,
        floor=0.5,
        activation="softplus",
        per_dimension=False,
        batch_normalization=False,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if not floor > 0.0:
            raise ValueError(
                "`floor` must be positive, since a copula density has no bound "
                f"without one. Use 0.5. Received: floor={floor}"
            )
        require_one_of("activation", activation, _ACTIVATIONS)
        self.latent_dim = latent_dim
        self.floor = floor
        self.activation = activation
        self.per_dimension = per_dimension
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        if self.batch_normalization and code_dim == 0:
            raise ValueError(
                "`batch_normalization` needs parameters that vary with a code. Use "
                "`batch_normalization=False` in an unconditional prior. Received: "
                "batch_normalization=True, a code of width 0"
            )
        sizes = {
            "diagonal": self.latent_dim if self.per_dimension else 1,
            "factor": self.latent_dim,
        }
        self.heads = {
            name: dense(size, code_dim, initializer=self.initializer, name=name)
            for name, size in sizes.items()
        }
        self.norm = None
        if self.batch_normalization:
            self.norm = batch_norm(self.latent_dim, "factor_norm")
        self.built = True

    def call(self, code, training=False):
        """Computes unconstrained `diagonal` and `factor`, float32."""
        params = {name: head(code) for name, head in self.heads.items()}
        if self.norm is not None:
            params["factor"] = self.norm(params["factor"], training=training)
        return float32(params)

    def covariance(self, params):
        """Computes the covariance's diagonal and factor from `call`'s parameters.

        Args:
            params: Dict of `"diagonal"`, float32 `[..., 1]` or `[..., Z]`, and
                `"factor"`, float32 `[..., Z]`.

        Returns:
            Tuple of the diagonal, at least `floor`, and the factor, within (-1, 1),
            as the `rank_one_...` functions take them.
        """
        activation = getattr(tf.nn, self.activation)
        diagonal = activation(params["diagonal"]) + self.floor
        return diagonal, tf.tanh(params["factor"])


@keras.saving.register_keras_serializable("tfvae")
class GaussianCopula(Latent):
    """A Gaussian whose correlations are those of a diagonal plus a rank-one matrix.

    `z = loc + exp(log_variance / 2) * q / s` with `q ~ N(0, S)`,
    `S = diag(diagonal) + factor factor'` and `s_i^2 = S_ii`. So `log_variance` is that
    of each dimension, and only the correlations of `S` matter. They take `Z + 1`
    numbers where a full covariance takes `Z * (Z - 1) / 2`; Cholesky factor, density
    and divergences have closed forms.

    Args:
        latent_dim: Positive int `Z`.
        floor: Positive float; see `CopulaHead`. Defaults to `0.5`, which allows
            correlations up to 2/3.
        activation: `"softplus"` or `"relu"`. Defaults to `"softplus"`.
        per_dimension: Whether the diagonal has one number per dimension. Defaults to
            `False`.
        batch_normalization: Whether mean, log variance and factor are batch
            normalised; see `Gaussian`. Defaults to `False`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.
        standard_marginals: Whether every dimension is standard normal whatever the
            code, so that only the correlations are learned, as in a copula prior.
            Defaults to `False`.

    Raises:
        ValueError: If an option is out of range; see `CopulaHead`.

    References:
        Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder, whose
        code is drawn from independent normals: there the copula only adds a cost,
        `CopulaLikelihood`. Here the code itself has it, as section 4.3 there has it of
        posterior and prior, the latter with standard normal marginals.
    """

    def __init__(
        self,
        latent_dim,
        floor=0.5,
        activation="softplus",
        per_dimension=False,
        batch_normalization=False,
        initializer=None,
        standard_marginals=False,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        self.marginals = None
        if not standard_marginals:
            self.marginals = Gaussian(
                latent_dim,
                batch_normalization=batch_normalization,
                initializer=initializer,
                dtype=dtype,
            )
        self.copula = CopulaHead(
            latent_dim,
            floor,
            activation,
            per_dimension,
            batch_normalization,
            initializer,
            dtype=dtype,
        )
        self.floor = floor
        self.activation = activation
        self.per_dimension = per_dimension
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)
        self.standard_marginals = standard_marginals

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        if self.marginals is not None:
            self.marginals.build(code_dim=code_dim)
        self.copula.build(code_dim=code_dim)
        self.built = True

    def call(self, code, training=False):
        """Computes `loc`, `log_variance`, `diagonal` and `factor` from the code."""
        if self.marginals is None:
            zeros = tf.zeros([tf.shape(code)[0], self.latent_dim])
            marginals = {"loc": zeros, "log_variance": zeros}
        else:
            marginals = self.marginals(code, training=training)
        return {**marginals, **self.copula(code, training=training)}

    def distribution(self, params):
        """Creates the multivariate Gaussian."""
        diagonal, factor = self.copula.covariance(params)
        scale = tf.exp(0.5 * params["log_variance"])
        scale /= tf.sqrt(diagonal + factor**2)
        scale_tril = scale[..., None] * rank_one_scale_tril(diagonal, factor)
        return tfd.MultivariateNormalTriL(params["loc"], scale_tril)

    def mode(self, params):
        """Returns the mean, which is the mode."""
        return params["loc"]

    def sample(self, params, num_samples, seed):
        """Samples codes `[S, B, Z]` and their log-density `[S, B]`; see `Latent`."""
        loc = params["loc"]
        noise = normal(tf.concat([[num_samples], tf.shape(loc)], 0), seed)
        scale_tril = self.distribution(params).scale_tril
        # The density of the noise spares a triangular solve for each sample.
        of_noise = 0.5 * tf.reduce_sum(noise**2 + math.log(2.0 * math.pi), -1)
        log_scale = tf.math.log(tf.linalg.diag_part(scale_tril))
        z = loc + tf.linalg.matvec(scale_tril, noise)
        return z, -of_noise - tf.reduce_sum(log_scale, -1)
