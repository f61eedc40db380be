"""The Gaussian copula: the dependence between dimensions without their marginals.

A covariance `diag(diagonal) + factor factor'` needs no decomposition: the
`rank_one_...` functions take `diagonal`, positive, `[..., Z]` or `[..., 1]` for a
multiple of the identity, and `factor`, `[..., Z]`.
"""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import parameter_properties, samplers

from tfvae.seeds import normal

tfb = tfp.bijectors
tfd = tfp.distributions

# The smallest and the largest float32 inside (0, 1).
_LOWEST, _HIGHEST = 1.1754944e-38, 1.0 - 2.0**-24


def rank_one_log_determinant(diagonal, factor):
    """Computes `log det(diag(diagonal) + factor factor')` by the determinant lemma.

    Args:
        diagonal: Positive float tensor `[..., Z]` or `[..., 1]`.
        factor: Float tensor `[..., Z]`.

    Returns:
        Float tensor `[...]`.
    """
    logs = tf.math.log(diagonal) + tf.zeros_like(factor)
    return tf.reduce_sum(logs, -1) + tf.math.log1p(
        tf.reduce_sum(factor**2 / diagonal, -1)
    )


def rank_one_inverse_quadratic(diagonal, factor, scores):
    """Computes `q' inv(diag(diagonal) + factor factor') q` by Sherman-Morrison.

    Args:
        diagonal: Positive float tensor `[..., Z]` or `[..., 1]`.
        factor: Float tensor `[..., Z]`.
        scores: Float tensor `[..., Z]`, `q`.

    Returns:
        Float tensor `[...]`.
    """
    along = tf.reduce_sum(factor * scores / diagonal, -1)
    length = tf.reduce_sum(factor**2 / diagonal, -1)
    return tf.reduce_sum(scores**2 / diagonal, -1) - along**2 / (1.0 + length)


def rank_one_scale_tril(diagonal, factor):
    """Computes the Cholesky factor of `diag(diagonal) + factor factor'`.

    After `j` columns the rest of the matrix is again a diagonal and a product, with
    `factor / sqrt(rest[j])` where `rest[j] = 1 + sum over k < j of
    factor[k] ** 2 / diagonal[k]`, so every entry has a closed form.

    Args:
        diagonal: Positive float tensor `[..., Z]` or `[..., 1]`.
        factor: Float tensor `[..., Z]`.

    Returns:
        Float tensor `[..., Z, Z]`, lower triangular.
    """
    rest = 1.0 + tf.cumsum(factor**2 / diagonal, axis=-1, exclusive=True)
    on_diagonal = tf.sqrt(diagonal + factor**2 / rest)
    below = factor[..., :, None] * (factor / (rest * on_diagonal))[..., None, :]
    # Not `set_diag`: its gradient does not compile with an unknown batch size.
    strict = tf.linalg.band_part(below, -1, 0) - tf.linalg.band_part(below, 0, 0)
    return strict + tf.linalg.diag(on_diagonal)


def rank_one_log_copula(diagonal, factor, scores):
    """Computes the log copula density of `diag(diagonal) + factor factor'`.

    Computes `sum_i log s_i - log det(S) / 2 + q' (inv(diag(S)) - inv(S)) q / 2` with
    `s_i ** 2 = S_ii`, the joint normal log-density less the marginals'.

    Args:
        diagonal: Positive float tensor `[..., Z]` or `[..., 1]`.
        factor: Float tensor `[..., Z]`.
        scores: Float tensor `[..., Z]`, `q`, on the scale of `N(0, S)`.

    Returns:
        Float tensor `[...]`, in nats.

    References:
        Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder,
        section 4.2, whose `diag(Sigma-)` is read as the inverse of the diagonal, as in
        the released code. Section 4.1 prints the two inverses the other way round,
        behind a minus sign, which is the same.
    """
    variance = diagonal + factor**2
    marginal = tf.reduce_sum(scores**2 / variance + tf.math.log(variance), -1)
    joint = rank_one_inverse_quadratic(diagonal, factor, scores)
    return 0.5 * (marginal - joint - rank_one_log_determinant(diagonal, factor))


def rank_one_expected_log_copula(diagonal, factor):
    """Computes the mean of `rank_one_log_copula` over `q ~ N(0, S)`.

    That is `-log det(R) / 2` with the correlations `R`, the total correlation of the
    dimensions, since the quadratic form has mean 0.

    Args:
        diagonal: Positive float tensor `[..., Z]` or `[..., 1]`.
        factor: Float tensor `[..., Z]`.

    Returns:
        Float tensor `[...]`, non-negative, in nats.

    Example:
    >>> most = rank_one_expected_log_copula(tf.constant([0.5]), tf.ones([32]))
    >>> round(float(most), 4)
    15.4906
    """
    ratios = factor**2 / diagonal
    by_dimension = tf.reduce_sum(tf.math.log1p(ratios), -1)
    return 0.5 * (by_dimension - tf.math.log1p(tf.reduce_sum(ratios, -1)))


def log_copula(scale_tril, scores):
    """Computes the log copula density of any covariance from its Cholesky factor.

    Args:
        scale_tril: Float tensor `[..., Z, Z]`, lower triangular, `S = L L'`.
        scores: Float tensor `[..., Z]`, `q`, on the scale of `N(0, S)`.

    Returns:
        Float tensor `[...]`, in nats.
    """
    noise = tf.linalg.LinearOperatorLowerTriangular(scale_tril).solvevec(scores)
    standard = scores / tf.norm(scale_tril, axis=-1)
    quadratic = 0.5 * tf.reduce_sum(standard**2 - noise**2, -1)
    return expected_log_copula(scale_tril) + quadratic


def expected_log_copula(scale_tril):
    """Computes `-log det(R) / 2`, the mean of `log_copula` over `q ~ N(0, S)`.

    Args:
        scale_tril: Float tensor `[..., Z, Z]`, lower triangular, `S = L L'`.

    Returns:
        Float tensor `[...]`, in nats.
    """
    # Of the correlations' Cholesky factor: its rows have norm 1.
    diagonal = tf.linalg.diag_part(_correlation_tril(scale_tril))
    return -tf.reduce_sum(tf.math.log(diagonal), -1)


class GaussianCopula(tfd.Distribution):
    """The distribution of `normal_cdf(q_i / s_i)` for `q ~ N(0, S)`, `s_i^2 = S_ii`.

    Each dimension is uniform on (0, 1). Values are clipped to the float32 numbers
    inside that interval, so the density is finite everywhere; close to 1 there are few
    of them, and it is exact up to 5 standard deviations.

    Args:
        scale_tril: Float32 tensor `[..., Z, Z]`, the Cholesky factor of `S`. Only its
            correlations matter.

    Example:
    >>> copula = GaussianCopula([[1.0, 0.0], [3.0, 4.0]])
    >>> copula.log_prob([[0.5, 0.5], [0.9, 0.1]]).numpy().round(3)
    array([ 0.223, -2.24 ], dtype=float32)

    References:
        Song 2000, Multivariate Dispersion Models Generated From Gaussian Copula,
        equation 3.
    """

    def __init__(self, scale_tril, name="GaussianCopula"):
        parameters = dict(locals())
        self.scale_tril = tf.convert_to_tensor(scale_tril, tf.float32)
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
        properties = parameter_properties.ParameterProperties
        return {"scale_tril": properties(event_ndims=2)}

    def _event_shape(self):
        return self.scale_tril.shape[-1:]

    def _event_shape_tensor(self):
        return tf.shape(self.scale_tril)[-1:]

    def _default_event_space_bijector(self):
        return tfb.Sigmoid()

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], tf.shape(self.scale_tril)[:-1]], 0)
        noise = normal(shape, samplers.sanitize_seed(seed))
        scores = tf.linalg.matvec(_correlation_tril(self.scale_tril), noise)
        return _inside(tfb.NormalCDF().forward(scores))

    def _log_prob(self, value):
        scores = tf.math.ndtri(_inside(value))
        return log_copula(_correlation_tril(self.scale_tril), scores)


class MarginalQuantiles(tfb.Bijector):
    """Maps uniforms `[..., Z]` to `marginals.quantile(uniforms)`.

    Args:
        marginals: TFP distribution of scalars with `quantile` and `cdf`, batch
            `[..., Z]`.
    """

    def __init__(self, marginals, name="marginal_quantiles"):
        parameters = dict(locals())
        self.marginals = marginals
        super().__init__(
            forward_min_event_ndims=0,
            dtype=marginals.dtype,
            validate_args=False,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype):
        return {"marginals": parameter_properties.BatchedComponentProperties()}

    def _forward(self, x):
        return self.marginals.quantile(_inside(x))

    def _inverse(self, y):
        return _inside(self.marginals.cdf(y))

    def _inverse_log_det_jacobian(self, y):
        return self.marginals.log_prob(y)


def copula_joint(scale_tril, marginals):
    """Joins marginals by the Gaussian copula of a covariance.

    With normal marginals the result is a multivariate normal, without any cdf.

    Args:
        scale_tril: Float32 tensor `[..., Z, Z]`, the Cholesky factor of a covariance;
            only its correlations matter.
        marginals: TFP distribution of scalars with `quantile` and `cdf`, batch
            `[..., Z]`.

    Returns:
        A TFP distribution, event `[Z]`, with these marginals.
    """
    if isinstance(marginals, tfd.Normal):
        correlation_tril = _correlation_tril(tf.convert_to_tensor(scale_tril))
        return tfd.MultivariateNormalTriL(
            marginals.loc, marginals.stddev()[..., None] * correlation_tril
        )
    return tfd.TransformedDistribution(
        GaussianCopula(scale_tril), MarginalQuantiles(marginals)
    )


def _correlation_tril(scale_tril):
    return scale_tril / tf.norm(scale_tril, axis=-1, keepdims=True)


def _inside(uniforms):
    return tf.clip_by_value(uniforms, _LOWEST, _HIGHEST)
