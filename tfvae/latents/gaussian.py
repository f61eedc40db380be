"""Gaussians: diagonal, of full covariance, with a committed rate, standard normal."""

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
    """Assembles a factor `[B, Z, Z]` from `[B, Z * (Z - 1) / 2]` and `[B, Z]`."""
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


@keras.saving.register_keras_serializable("tfvae")
class DeltaGaussian(Latent):
    """A diagonal Gaussian at least `rate` nats away from a standard normal.

    Means are affine in the code, and log variances are
    `largest - softplus(affine(code))`, with `largest` below 0 and such that a dimension
    of mean 0 has `(exp(largest) - 1 - largest) / 2 = rate / Z`. A smaller variance and
    any other mean only add to that, so
    `KL(q(z|x) || N(0, I)) = sum((loc**2 + variance - 1 - log(variance)) / 2) >= rate`
    whatever the parameters.

    The rate is paid whether the decoder reads the code or not: a collapsed model has
    means of 0 and pays for variances below 1, so the divergence alone does not tell
    that the code is used. What the rate buys is less noise: the same distance between
    the means of two sentences costs what it did and tells more.

    Args:
        latent_dim: Positive int `Z`.
        rate: Positive float, nats of the whole code, shared alike by its dimensions.
            Defaults to `5.0`.
        batch_normalization: Whether the heads are batch normalised; see `Gaussian`.
            Defaults to `False`.
        initializer: Keras initializer of the heads, or `None` for PyTorch's.

    Attributes:
        largest_log_variance: Float, the bound above.

    Raises:
        ValueError: If `latent_dim` or `rate` is not positive, or `rate` is above 9 nats
            a dimension, where log variances are below -19.

    Example:
    >>> posterior = DeltaGaussian(2, rate=1.0)
    >>> round(posterior.largest_log_variance, 4)
    -1.8414

    References:
        Razavi et al. 2019, Preventing Posterior Collapse with delta-VAEs. The paper's
        codes are sequences whose prior is autoregressive of order 1, which posteriors
        of independent steps cannot match. For independent dimensions, as here, it
        bounds the variance from both sides and keeps the mean from 0 where the variance
        is near the prior's; here the mean is free and the variance alone bounded.
    """

    def __init__(
        self,
        latent_dim,
        rate=5.0,
        batch_normalization=False,
        initializer=None,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(latent_dim, name=name, dtype=dtype)
        if not 0.0 < rate <= 9.0 * latent_dim:
            raise ValueError(
                f"`rate` must be positive and at most {9 * latent_dim}, 9 nats a "
                f"dimension. Received: rate={rate}, latent_dim={latent_dim}"
            )
        self.base = Gaussian(
            latent_dim,
            batch_normalization=batch_normalization,
            initializer=initializer,
            dtype=dtype,
        )
        self.rate = rate
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)
        self.largest_log_variance = largest_log_variance(rate / latent_dim)

    def build(self, *, code_dim):
        """Creates the heads for codes `[B, C]`."""
        self.base.build(code_dim=code_dim)
        self.built = True

    def call(self, code, training=False):
        """Computes `loc` and `raw_log_variance`, `[B, Z]`, from the code."""
        params = self.base(code, training=training)
        return {"loc": params["loc"], "raw_log_variance": params["log_variance"]}

    def distribution(self, params):
        """Creates the Gaussian; any real numbers will do as `params`."""
        below = tf.nn.softplus(params["raw_log_variance"])
        scale = tf.exp(0.5 * (self.largest_log_variance - below))
        return tfd.Independent(tfd.Normal(params["loc"], scale), 1)

    def mode(self, params):
        """Returns the mean, which is the mode."""
        return params["loc"]


def largest_log_variance(rate):
    """Solves `(exp(v) - 1 - v) / 2 = rate` for the log variance `v` below 0.

    Args:
        rate: Positive float, in nats.

    Returns:
        Float.

    Example:
    >>> v = largest_log_variance(0.5)
    >>> round(0.5 * (math.exp(v) - 1.0 - v), 9)
    0.5
    """
    # Left of the root of a convex function, from where Newton's steps only ascend.
    value = -1.0 - 2.0 * rate
    for _ in range(100):
        excess = 0.5 * (math.expm1(value) - value) - rate
        value -= excess / (0.5 * math.expm1(value))
    return value
