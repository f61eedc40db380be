"""The angle between a von Mises-Fisher draw and its mean direction.

Everything the distribution needs follows from this one-dimensional density, which
one quadrature covers at every dimension and concentration. Bessel functions of high
order leave the range of floats long before the density does.
"""

import math

import numpy as np
import tensorflow as tf

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
    is large. Absolute errors of its figures are below 1e-10.

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
        """Gives `A = I_{dim/2}(concentration) / I_{dim/2 - 1}(concentration)`."""
        return tf.reduce_sum(self._masses() * self._cosines, [-2, -1])

    def cosine_variance(self):
        """Gives `A' = 1 - A ** 2 - (dim - 1) * A / concentration`, no cancellation."""
        deviation = self._cosines - _expand(self.mean_cosine(), 2)
        return tf.reduce_sum(self._masses() * deviation**2, [-2, -1])

    def kl_to_uniform(self):
        """Gives `concentration * A - log_partition`, in nats, `[...]`."""
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
        num = shape[0]
        rows = _Rows(self)
        levels = tf.reshape(tf.cast(probability, tf.float64), [num, -1])
        angles, slopes = rows.quantile(tf.transpose(levels))
        # The second factor is zero; it carries the derivative.
        change = self.concentration - tf.stop_gradient(self.concentration)
        angles = tf.reshape(tf.transpose(angles), shape)
        return angles + tf.reshape(tf.transpose(slopes), shape) * change

    def _masses(self):
        """Gives each node's share of the mass, `[..., cells, nodes]`."""
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
        """Gives angles and their derivatives by the concentration, both `[M, N]`."""
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
    """Gives the logarithm of the area of the unit sphere in `dim` dimensions.

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
    """Gives the logarithm of the integral of `sin ** (dim - 2)` over `[0, pi]`."""
    logs = math.lgamma(0.5 * (dim - 1)) - math.lgamma(0.5 * dim)
    return 0.5 * math.log(math.pi) + logs


def _versine(angle):
    """Computes `1 - cos(angle)` precisely."""
    return 2.0 * tf.sin(0.5 * angle) ** 2


def _expand(tensor, num_axes):
    for _ in range(num_axes):
        tensor = tensor[..., None]
    return tensor
