"""A Gaussian with diagonal or full covariance."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense
from tfvae.seeds import normal

tfd = tfp.distributions

# Where annealing starts at weight 0 nothing else bounds the scale: KL of 1e23 was
# seen in public code. The bounds act in log variance.
_LOG_VARIANCE_BOUNDS = (-20.0, 20.0)


@keras.saving.register_keras_serializable("tfvae")
class Gaussian(Latent):
    """A Gaussian whose mean and covariance are affine in the code.

    With `covariance="diagonal"` the heads give `loc` and `log_variance`, and
    `z = loc + exp(log_variance / 2) * noise`. With `covariance="full"` a third head
    gives the strictly lower triangle of a Cholesky factor whose diagonal is
    `exp(log_variance / 2)`.

    Args:
        latent_dim: Positive int `Z`.
        covariance: `"diagonal"` or `"full"`. Defaults to `"diagonal"`.
        batch_normalization: Whether the mean and log-variance heads are batch
            normalised (momentum 0.9, epsilon 1e-5, PyTorch's), as the released codes
            of Copula-VAE and of Coupled-VAE's flows do. It keeps the mean from
            shrinking to zero, so it acts against collapse by itself.
        use_bias: Whether the heads have a bias. Defaults to `True`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Raises:
        ValueError: If `covariance` is unknown or `latent_dim` is not positive.

    References:
        Kingma and Welling 2014, Auto-Encoding Variational Bayes, section 3. The log
        variance is clipped to [-20, 20].
    """

    def __init__(
        self,
        latent_dim,
        covariance="diagonal",
        batch_normalization=False,
        use_bias=True,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if covariance not in ("diagonal", "full"):
            raise ValueError(
                "`covariance` must be 'diagonal' or 'full'. "
                f"Received: covariance={covariance!r}"
            )
        self.covariance = covariance
        self.batch_normalization = batch_normalization
        self.use_bias = use_bias
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Creates the heads for codes `[B, C]`."""
        sizes = {"loc": self.latent_dim, "log_variance": self.latent_dim}
        if self.covariance == "full" and self.latent_dim > 1:
            sizes["lower"] = self.latent_dim * (self.latent_dim - 1) // 2
        self.heads = {
            name: dense(
                size,
                input_shape[-1],
                use_bias=self.use_bias,
                initializer=self.initializer,
                name=name,
            )
            for name, size in sizes.items()
        }
        self.norms = {}
        if self.batch_normalization:
            for name in ("loc", "log_variance"):
                norm = keras.layers.BatchNormalization(
                    momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
                )
                norm.build((None, self.latent_dim))
                self.norms[name] = norm
        self.built = True

    def call(self, code, training=False):
        """Computes `loc`, `log_variance` and, when full, `lower` from the code."""
        params = {name: head(code) for name, head in self.heads.items()}
        for name, norm in self.norms.items():
            params[name] = norm(params[name], training=training)
        params = float32(params)
        params["log_variance"] = tf.clip_by_value(
            params["log_variance"], *_LOG_VARIANCE_BOUNDS
        )
        return params

    def distribution(self, params):
        """Makes `N(loc, covariance)`."""
        scale = tf.exp(0.5 * params["log_variance"])
        if self.covariance == "diagonal" or self.latent_dim == 1:
            return tfd.Independent(tfd.Normal(params["loc"], scale), 1)
        return tfd.MultivariateNormalTriL(
            params["loc"], _scale_tril(params["lower"], scale)
        )

    def point(self, params):
        """Gives the mean."""
        return params["loc"]

    def sample(self, params, num_samples, seed):
        """Draws codes `[S, B, Z]` and their log-density `[S, B]`; see `Latent`."""
        distribution = self.distribution(params)
        loc = params["loc"]
        noise = normal(tf.concat([[num_samples], tf.shape(loc)], 0), seed)
        if self.covariance == "diagonal" or self.latent_dim == 1:
            z = loc + distribution.distribution.scale * noise
        else:
            z = loc + tf.linalg.matvec(distribution.scale_tril, noise)
        return z, distribution.log_prob(z)


def _scale_tril(lower, diagonal):
    """Assembles a lower-triangular factor from its strict triangle and diagonal.

    Args:
        lower: Float tensor `[B, Z * (Z - 1) / 2]`.
        diagonal: Float tensor `[B, Z]`.

    Returns:
        Float tensor `[B, Z, Z]`.
    """
    strict = tfp.math.fill_triangular(lower)
    strict = tf.pad(strict, [[0, 0], [1, 0], [0, 1]])
    # Not `set_diag`: its gradient does not compile with an unknown batch size.
    return strict + tf.linalg.diag(diagonal)
