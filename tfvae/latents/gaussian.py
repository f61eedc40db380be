"""Gaussians: diagonal, of full covariance, and the standard normal."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import dense

tfd = tfp.distributions

# Where annealing starts at weight 0 nothing else bounds the scale: KL of 1e23 was
# seen in public code. The bounds act in log variance.
_LOG_VARIANCE_BOUNDS = (-20.0, 20.0)


@keras.saving.register_keras_serializable("tfvae")
class Gaussian(Latent):
    """A Gaussian whose mean and covariance are affine in the code.

    With `covariance="diagonal"` two heads compute `loc` and `log_variance`, and
    `z = loc + exp(log_variance / 2) * noise`. With `covariance="full"` a third head
    computes the strictly lower triangle of a Cholesky factor whose diagonal is
    `exp(log_variance / 2)`.

    Args:
        latent_dim: Positive int `Z`.
        covariance: `"diagonal"` or `"full"`. Defaults to `"diagonal"`.
        batch_normalization: Whether mean and log variance are batch normalised
            (momentum 0.9, epsilon 1e-5, PyTorch's), as in the released code of
            Copula-VAE and of Coupled-VAE's flows. It keeps the mean from shrinking to
            zero, so it acts against collapse by itself. Defaults to `False`.
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

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        sizes = {"loc": self.latent_dim, "log_variance": self.latent_dim}
        if self.covariance == "full" and self.latent_dim > 1:
            sizes["lower"] = self.latent_dim * (self.latent_dim - 1) // 2
        self.heads = {
            name: dense(
                size,
                code_dim,
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
        """Creates `N(loc, covariance)`."""
        scale = tf.exp(0.5 * params["log_variance"])
        if self.covariance == "diagonal" or self.latent_dim == 1:
            return tfd.Independent(tfd.Normal(params["loc"], scale), 1)
        return tfd.MultivariateNormalTriL(
            params["loc"], _scale_tril(params["lower"], scale)
        )

    def mode(self, params):
        """Returns the mean, which is the mode."""
        return params["loc"]


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

    def call(self, code, training=False):
        """Returns a zero mean for each row of the code `[B, C]`."""
        return {"loc": tf.zeros([tf.shape(code)[0], self.latent_dim])}

    def distribution(self, params):
        """Creates `N(0, I)`, repeated for each row."""
        return tfd.Independent(tfd.Normal(params["loc"], 1.0), 1)

    def mode(self, params):
        """Returns the origin, the mode."""
        return params["loc"]
