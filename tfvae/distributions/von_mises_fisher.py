"""Distributions on the unit sphere: von Mises-Fisher and uniform."""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import samplers

from tfvae.seeds import fold_in, normal, uniform

tfd = tfp.distributions


class VonMisesFisher(tfd.VonMisesFisher):
    """The density `exp(concentration * mean_direction . z) / normaliser` on a sphere.

    TFP's class is reparameterised in three dimensions only, its sampler is a loop of
    unknown length, and its normaliser loses precision in many dimensions. Here the
    angle from the mean direction is sampled by inversion, so that samples are smooth
    in the concentration, and a reflection that is bounded at every mean direction
    turns them towards it. Densities, moments, entropies and the divergence from
    `SphericalUniform` are exact to float32.

    Args:
        mean_direction: Float tensor `[..., Z]` of norm 1, `Z` known and at least 2.
        concentration: Non-negative float tensor `[...]`; tested from 1e-3 to 1e4.

    Raises:
        ValueError: If `Z` is unknown or below 2.

    Example:
    >>> posterior = VonMisesFisher([[0.0, 0.0, 1.0]], [2.0])
    >>> posterior.mean().numpy().round(4)
    array([[0.    , 0.    , 0.5373]], dtype=float32)

    References:
        Davidson et al. 2018, Hyperspherical Variational Auto-Encoders, for the
        factorisation and the divergence. They reject proposals and, in
        ports, leave out the gradient of the acceptance; inversion needs none
        (Figurnov et al. 2018, Implicit Reparameterization Gradients).
    """

    def __init__(
        self,
        mean_direction,
        concentration,
        validate_args=False,
        allow_nan_stats=True,
        name="VonMisesFisher",
    ):
        super().__init__(
            mean_direction, concentration, validate_args, allow_nan_stats, name
        )
        self._reparameterization_type = tfd.FULLY_REPARAMETERIZED
        dim = self.event_shape[0]
        if dim is None or dim < 2:
            raise ValueError(
                "`mean_direction` must have a known last axis of at least 2. "
                f"Received: shape={self.mean_direction.shape}"
            )

    # Of its own, or TFP warns of a constructor that is not the base's.
    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return super()._parameter_properties(dtype, num_classes)

    def _polar(self):
        return PolarAngle(self.concentration, self.event_shape[0])

    def _full(self, tensor):
        return tf.broadcast_to(tf.cast(tensor, self.dtype), self.batch_shape_tensor())

    def _log_prob(self, x):
        # The chord, since 1 minus the product of unit vectors would cancel.
        versine = 0.5 * tf.reduce_sum(tf.square(x - self.mean_direction), -1)
        constant = self._polar().log_partition_minus_concentration
        constant += log_sphere_area(self.event_shape[0])
        return -self.concentration * versine - tf.cast(constant, self.dtype)

    def _mean(self):
        return self._full(self._polar().mean_cosine())[..., None] * self.mean_direction

    def _covariance(self):
        dim = self.event_shape[0]
        polar = self._polar()
        along = polar.cosine_variance()
        # The squared cosine and the squared other coordinates add up to 1.
        across = (1.0 - along - polar.mean_cosine() ** 2) / (dim - 1.0)
        along, across = self._full(along), self._full(across)
        mean = self.mean_direction
        outer = mean[..., :, None] * mean[..., None, :]
        identity = across[..., None, None] * tf.eye(dim, dtype=self.dtype)
        return identity + (along - across)[..., None, None] * outer

    def _entropy(self):
        dim = self.event_shape[0]
        return self._full(log_sphere_area(dim) - self._polar().kl_to_uniform())

    def _sample_n(self, n, seed=None):
        seed = samplers.sanitize_seed(seed)
        dim = self.event_shape[0]
        batch_shape = self.batch_shape_tensor()
        shape = tf.concat([[n], batch_shape], 0)
        concentration = tf.broadcast_to(self.concentration, batch_shape)
        angle = PolarAngle(concentration, dim).quantile(
            uniform(shape, fold_in(seed, 0))
        )
        cosine = tf.cast(tf.cos(angle), self.dtype)
        sine = tf.cast(tf.sin(angle), self.dtype)
        across_shape = tf.concat([shape, [dim - 1]], 0)
        across = tf.cast(unit_vectors(across_shape, fold_in(seed, 1)), self.dtype)
        mean = tf.broadcast_to(self.mean_direction, tf.concat([shape, [dim]], 0))
        z = cosine[..., None] * mean + sine[..., None] * _turn(across, mean)
        return tf.math.l2_normalize(z, -1)


def _turn(across, mean):
    """Turns vectors that are orthogonal to the first axis to be so to the mean.

    Reflects by the vector `mean + sign * first_axis`. The sign is that of the mean's
    first coordinate, which bounds the vector's norm from below; without it the
    reflection is not defined where the mean is the first axis.

    Args:
        across: Float tensor `[..., Z - 1]`, without their first coordinate.
        mean: Float tensor `[..., Z]` of norm 1.

    Returns:
        Float tensor `[..., Z]`, of the norms of `across`.
    """
    first, rest = mean[..., :1], mean[..., 1:]
    product = tf.reduce_sum(across * rest, -1, keepdims=True)
    factor = product / (1.0 + tf.abs(first))
    sign = tf.where(first < 0.0, -tf.ones_like(first), tf.ones_like(first))
    return tf.concat([-factor * (first + sign), across - factor * rest], -1)


@tfd.RegisterKL(VonMisesFisher, tfd.SphericalUniform)
def _kl_to_uniform(posterior, prior, name=None):
    """Computes `KL(posterior || prior)` in nats, of the posterior's batch shape."""
    with tf.name_scope(name or "kl_von_mises_fisher_spherical_uniform"):
        return posterior._full(posterior._polar().kl_to_uniform())


@tfd.RegisterKL(VonMisesFisher, VonMisesFisher)
def _kl_between(posterior, prior, name=None):
    """Computes `KL(posterior || prior)` in nats, of both batch shapes broadcast.

    With `A` the posterior's mean cosine and `v` 1 minus the cosine between the mean
    directions it is `KL(posterior || uniform) + log_partition - concentration * A *
    (1 - v)`, partition and concentration of the prior. In float64, since the terms of
    concentrated distributions cancel.
    """
    with tf.name_scope(name or "kl_von_mises_fisher_von_mises_fisher"):
        own, other = posterior._polar(), prior._polar()
        mean_cosine = own.mean_cosine()
        chord = tf.cast(posterior.mean_direction - prior.mean_direction, tf.float64)
        versine = 0.5 * tf.reduce_sum(chord**2, -1)
        spread = 1.0 - mean_cosine + mean_cosine * versine
        cross = other.log_partition_minus_concentration + other.concentration * spread
        return tf.cast(own.kl_to_uniform() + cross, posterior.dtype)


# Of cells over the window and of Gauss-Legendre nodes in each.
_NUM_CELLS = 64
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
# Widths, at the mode, of the window below and above it. The upper tail is the heavier
# one; what is left out is below 1e-11 of the mass.
_BELOW, _ABOVE = 9.0, 16.0
_NUM_NEWTON_STEPS = 8


class PolarAngle:
    """The distribution of `angle = acos(mean_direction . z)`.

    Its density on `[0, pi]` is proportional to
    `exp(concentration * cos(angle)) * sin(angle) ** (dim - 2)`. Works in float64, on
    one number for each distribution: the cosine is close to 1 where the concentration
    is large. Absolute errors of its values are below 1e-10.

    Args:
        concentration: Non-negative float tensor `[...]`, up to 1e6.
        dim: Int of at least 2, the number of coordinates of `z`.

    References:
        Mardia and Jupp 2000, Directional Statistics, section 9.3.
    """

    def __init__(self, concentration, dim):
        self.concentration = tf.cast(concentration, tf.float64)
        self.dim = dim
        fixed = tf.stop_gradient(self.concentration)
        self._start, self._width = _window(fixed, dim)
        offsets = (np.arange(_NUM_CELLS)[:, None] + (_NODES + 1.0) / 2.0) / _NUM_CELLS
        # Nodes stay where they are under differentiation, which makes the derivative
        # of a sum over them the sum of derivatives, to every order.
        angles = _expand(self._start, 2) + _expand(self._width, 2) * offsets
        spacing = _expand(self._width, 2) / (2 * _NUM_CELLS)
        log_base = tf.math.log(spacing * _WEIGHTS) - _log_sine_integral(dim)
        if dim > 2:
            log_base += (dim - 2) * tf.math.log(tf.sin(angles))
        self._cosines = tf.cos(angles)
        self._logits = log_base - _expand(self.concentration, 2) * _versine(angles)
        # log E[exp(concentration * (cos - 1))] over the uniform sphere.
        self.log_partition_minus_concentration = tf.reduce_logsumexp(
            self._logits, [-2, -1]
        )

    @property
    def log_partition(self):
        """`log E[exp(concentration * cos(angle))]` over the uniform sphere, `[...]`."""
        return self.log_partition_minus_concentration + self.concentration

    def mean_cosine(self):
        """Returns `A = I_{dim/2}(concentration) / I_{dim/2 - 1}(concentration)`."""
        return tf.reduce_sum(self._masses() * self._cosines, [-2, -1])

    def cosine_variance(self):
        """Returns `A' = 1 - A ** 2 - (dim - 1) * A / concentration`, uncancelled."""
        deviation = self._cosines - _expand(self.mean_cosine(), 2)
        return tf.reduce_sum(self._masses() * deviation**2, [-2, -1])

    def kl_to_uniform(self):
        """Returns `concentration * A - log_partition`, in nats, `[...]`."""
        return self.concentration * self.mean_cosine() - self.log_partition

    def quantile(self, probability):
        """Inverts the cumulative distribution function.

        The derivative by the concentration is the implicit one,
        `-(d cdf / d concentration) / density`, of first order only.

        Args:
            probability: Float tensor `[N, ...]` in `(0, 1)`, aligned with the
                concentrations `[...]`.

        Returns:
            Float64 tensor `[N, ...]`, angles in `(0, pi)`.
        """
        shape = tf.shape(probability)
        levels = tf.reshape(tf.cast(probability, tf.float64), [shape[0], -1])
        angles, slopes = _Rows(self).quantile(tf.transpose(levels))
        # The second factor is zero; it carries the derivative.
        change = self.concentration - tf.stop_gradient(self.concentration)
        angles = tf.reshape(tf.transpose(angles), shape)
        return angles + tf.reshape(tf.transpose(slopes), shape) * change

    def _masses(self):
        """Returns each node's share of the mass, `[..., cells, nodes]`."""
        return tf.exp(self._logits - _expand(self.log_partition_minus_concentration, 2))


class _Rows:
    """Quantiles of flattened distributions `[M]` at levels `[M, N]`, no gradients."""

    def __init__(self, polar):
        def flat(tensor, *rest):
            return tf.stop_gradient(tf.reshape(tensor, [-1, *rest]))

        self.dim = polar.dim
        self.concentration = flat(polar.concentration, 1)
        self.log_norm = flat(polar.log_partition_minus_concentration, 1)
        self.log_norm += _log_sine_integral(polar.dim)
        self.mean = flat(polar.mean_cosine(), 1)
        self.start, self.width = flat(polar._start, 1), flat(polar._width, 1)
        nodes = (_NUM_CELLS, len(_NODES))
        masses, cosines = flat(polar._masses(), *nodes), flat(polar._cosines, *nodes)
        tilts = masses * (cosines - self.mean[:, :, None])
        # Each cell's mass and, at its beginning, the distribution function and the
        # derivative of it.
        self.mass = tf.reduce_sum(masses, -1)
        self.cdf = tf.cumsum(self.mass, -1, exclusive=True)
        self.tilt = tf.cumsum(tf.reduce_sum(tilts, -1), -1, exclusive=True)

    def quantile(self, levels):
        """Returns angles and their derivatives by the concentration, both `[M, N]`."""
        levels = tf.stop_gradient(levels)
        cell = tf.searchsorted(self.cdf, levels, side="right") - 1
        cell = tf.clip_by_value(cell, 0, _NUM_CELLS - 1)
        size = self.width / _NUM_CELLS
        begin = self.start + size * tf.cast(cell, tf.float64)
        target = levels - tf.gather(self.cdf, cell, batch_dims=1)
        fraction = tf.clip_by_value(
            target / tf.gather(self.mass, cell, batch_dims=1), 1e-12, 1.0
        )
        # At angle 0 the mass grows by a power, which Newton's method would be slow on.
        is_first = tf.cast(begin <= 0.0, tf.float64)
        power = 1.0 - is_first * (1.0 - 1.0 / (self.dim - 1))

        def narrow(low, high, angle):
            excess = self._integral(begin, angle) - target
            low = tf.where(excess < 0.0, angle, low)
            high = tf.where(excess < 0.0, high, angle)
            newton = angle - excess / self._density(angle)
            inside = (newton >= low) & (newton <= high)
            return low, high, tf.where(inside, newton, 0.5 * (low + high))

        # Unrolled, the steps would take XLA long to compile.
        _, _, angle = tf.while_loop(
            lambda *_: True,
            narrow,
            (begin, begin + size, begin + size * fraction**power),
            maximum_iterations=_NUM_NEWTON_STEPS,
        )
        tilt = tf.gather(self.tilt, cell, batch_dims=1)
        tilt += self._integral(begin, angle, lambda cosine: cosine - self.mean[:, None])
        return angle, -tilt / self._density(angle)

    def _density(self, angle, extra_axes=0):
        log_density = -_expand(self.concentration, extra_axes) * _versine(angle)
        if self.dim > 2:
            log_density += (self.dim - 2) * tf.math.log(tf.sin(angle))
        return tf.exp(log_density - _expand(self.log_norm, extra_axes))

    def _integral(self, begin, end, function=tf.ones_like):
        """Integrates density times a function of the cosine within a cell."""
        half = 0.5 * (end - begin)[..., None]
        angles = begin[..., None] + half * (_NODES + 1.0)
        values = self._density(angles, 1) * function(tf.cos(angles))
        return tf.reduce_sum(half * _WEIGHTS * values, -1)


def log_sphere_area(dim):
    """Returns the logarithm of the area of the unit sphere in `dim` dimensions.

    Example:
    >>> round(float(np.exp(log_sphere_area(3))), 6)
    12.566371
    """
    return math.log(2.0) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


def _window(concentration, dim):
    """Finds the start and the width of the interval that holds the mass."""
    excess = dim - 2.0
    root = 0.5 * (excess + tf.sqrt(excess**2 + 4.0 * concentration**2))
    root = tf.maximum(root, 1e-9)
    # The mode solves `concentration * sin(angle) ** 2 = excess * cos(angle)`.
    mode = tf.acos(tf.minimum(concentration / root, 1.0))
    scale = tf.math.rsqrt(concentration**2 / root + root)
    start = tf.maximum(mode - _BELOW * scale, 0.0)
    stop = tf.minimum(mode + _ABOVE * scale, math.pi)
    return start, stop - start


def _log_sine_integral(dim):
    """Returns the logarithm of the integral of `sin ** (dim - 2)` over `[0, pi]`."""
    logs = math.lgamma(0.5 * (dim - 1)) - math.lgamma(0.5 * dim)
    return 0.5 * math.log(math.pi) + logs


def _versine(angle):
    """Computes `1 - cos(angle)` precisely."""
    return 2.0 * tf.sin(0.5 * angle) ** 2


def _expand(tensor, num_axes):
    for _ in range(num_axes):
        tensor = tensor[..., None]
    return tensor


def unit_vectors(shape, seed):
    """Samples unit vectors uniformly.

    Args:
        shape: Int tensor or list, the last entry the number of coordinates.
        seed: Int tensor `[2]`.

    Returns:
        Float32 tensor of that shape, each last axis of norm 1.
    """
    return tf.math.l2_normalize(normal(shape, seed), -1)


class SphericalUniform(tfd.SphericalUniform):
    """TFP's distribution of that name, for batch sizes known only at run time.

    TFP's needs static shapes, and its samples differ with and without XLA.

    Args:
        dimension: Int of at least 2, the number of coordinates.
        batch_shape: Int tensor or list.

    Example:
    >>> sphere = SphericalUniform(3, [1])
    >>> sphere.log_prob([[0.0, 0.0, 1.0]]).numpy().round(4)
    array([-2.531], dtype=float32)
    """

    def _log_prob(self, x):
        shape = tf.broadcast_dynamic_shape(
            tf.shape(x)[:-1], tf.cast(self.batch_shape_tensor(), tf.int32)
        )
        return tf.fill(shape, tf.constant(-log_sphere_area(self.dimension), x.dtype))

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), [self.dimension]], 0)
        return unit_vectors(shape, samplers.sanitize_seed(seed))
