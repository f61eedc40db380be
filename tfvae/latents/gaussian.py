"""Gaussians: diagonal, of full covariance, and the standard normal."""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.latent import Latent, float32
from tfvae.layers.dense import batch_norm, dense

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
            Copula-VAE and of Coupled-VAE's flows. Scales and shifts of both are
            trained, so it bounds nothing: this is not BN-VAE, which is
            `normalized_mean_scale`. Defaults to `False`.
        use_bias: Whether the heads have a bias. Defaults to `True`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.
        initial_scale: Float in `(4.6e-5, 22026)`, the factor by which the scale is
            larger at the start: the log variance's bias (its normalisation's shift,
            where there is one) starts `2 * log(initial_scale)` above what it would.
            A small one starts near an autoencoder, from where information is kept
            that a start at scale 1 never finds. Defaults to `1.0`.
        normalized_mean_scale: Positive float `gamma`, or `None`. The mean is batch
            normalised to `gamma * (loc - mean) / sqrt(variance + 1e-12) + beta` with a
            fixed `gamma` and a trained `beta`, and has no bias of its own; the log
            variance is left alone. Then over a training batch the divergence from a
            standard normal is on average at least
            `Z * (gamma ** 2 + mean(beta ** 2)) / 2` nats. At test time statistics of
            the population (momentum 0.9) stand for the batch's. Defaults to `None`.

    With `normalized_mean_scale` the divergence and the number of active units follow
    from the option whatever the decoder reads: neither tells that the code is used.

    Raises:
        ValueError: If `covariance` is unknown, `latent_dim` is not positive, a scale
            is out of range, `initial_scale` finds neither a bias nor a shift, both
            kinds of normalisation are asked for, or at `build` if
            `normalized_mean_scale` meets a code of width 0.

    References:
        Kingma and Welling 2014, Auto-Encoding Variational Bayes, section 3. The log
        variance is clipped to [-20, 20].

        Zhu et al. 2020, A Batch Normalized Inference Network Keeps the KL Vanishing
        Away, section 3, for `normalized_mean_scale`. The released code has PyTorch's
        epsilon, 1e-5. Beside that the raw means of small initial weights vanish (their
        variance is 5e-9 in the setting `mine`), and the bound with them.
    """

    def __init__(
        self,
        latent_dim,
        covariance="diagonal",
        batch_normalization=False,
        use_bias=True,
        initializer=None,
        initial_scale=1.0,
        normalized_mean_scale=None,
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
        _require_initial_scale(initial_scale, use_bias or batch_normalization)
        _require_normalized_mean_scale(normalized_mean_scale, batch_normalization)
        self.covariance = covariance
        self.batch_normalization = batch_normalization
        self.use_bias = use_bias
        self.initializer = keras.initializers.get(initializer)
        self.initial_scale = initial_scale
        self.normalized_mean_scale = normalized_mean_scale

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        normalizes = self.normalized_mean_scale is not None
        if normalizes and code_dim == 0:
            raise ValueError(
                "`normalized_mean_scale` needs means that vary with a code. Leave it "
                "out of an unconditional prior. Received: "
                f"normalized_mean_scale={self.normalized_mean_scale}, a code of width 0"
            )
        sizes = {"loc": self.latent_dim, "log_variance": self.latent_dim}
        if self.covariance == "full" and self.latent_dim > 1:
            sizes["lower"] = self.latent_dim * (self.latent_dim - 1) // 2
        self.heads = {
            name: dense(
                size,
                code_dim,
                use_bias=self.use_bias and not (normalizes and name == "loc"),
                initializer=self.initializer,
                name=name,
            )
            for name, size in sizes.items()
        }
        self.norms = {}
        if self.batch_normalization:
            for name in ("loc", "log_variance"):
                self.norms[name] = batch_norm(self.latent_dim, f"{name}_norm")
        if normalizes:
            # The fixed scale is no weight, so that nothing can train it.
            options = {"center": False, "scale": False, "epsilon": 1e-12}
            self.norms["loc"] = batch_norm(self.latent_dim, "loc_norm", **options)
            self.mean_shift = self.add_weight(
                name="mean_shift", shape=(self.latent_dim,), initializer="zeros"
            )
        if self.initial_scale != 1.0:
            norm = self.norms.get("log_variance")
            start = self.heads["log_variance"].bias if norm is None else norm.beta
            start.assign(start.value + 2.0 * math.log(self.initial_scale))
        self.built = True

    def call(self, code, training=False):
        """Computes `loc`, `log_variance` and, when full, `lower` from the code."""
        params = {name: head(code) for name, head in self.heads.items()}
        for name, norm in self.norms.items():
            params[name] = norm(params[name], training=training)
        params = float32(params)
        if self.normalized_mean_scale is not None:
            params["loc"] = (
                self.normalized_mean_scale * params["loc"] + self.mean_shift.value
            )
        params["log_variance"] = clip_log_variance(params["log_variance"])
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


def clip_log_variance(log_variance):
    """Clips log variances to [-20, 20]."""
    return tf.clip_by_value(log_variance, *_LOG_VARIANCE_BOUNDS)


def _require_initial_scale(initial_scale, has_bias):
    low, high = (math.exp(0.5 * bound) for bound in _LOG_VARIANCE_BOUNDS)
    if not low < initial_scale < high:
        raise ValueError(
            f"`initial_scale` must be between {low:.2g} and {high:.0f}, where the log "
            f"variance is not clipped. Received: initial_scale={initial_scale}"
        )
    if initial_scale != 1.0 and not has_bias:
        raise ValueError(
            "`initial_scale` sets where the log variance's bias starts. Use "
            f"`use_bias=True`. Received: initial_scale={initial_scale}, use_bias=False"
        )


def _require_normalized_mean_scale(normalized_mean_scale, batch_normalization):
    if normalized_mean_scale is None:
        return
    if not 0.0 < normalized_mean_scale < math.inf:
        raise ValueError(
            "`normalized_mean_scale` must be positive, or None. "
            f"Received: normalized_mean_scale={normalized_mean_scale}"
        )
    if batch_normalization:
        raise ValueError(
            "`batch_normalization` trains the scale that `normalized_mean_scale` "
            "fixes. Use one of them. Received: batch_normalization=True, "
            f"normalized_mean_scale={normalized_mean_scale}"
        )


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
