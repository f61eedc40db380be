"""Planar flows, with an inverse for densities at any code."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import parameter_properties, samplers

from tfvae.seeds import normal

tfb = tfp.bijectors
tfd = tfp.distributions

# The least square of the weight's norm that the constraint divides by.
_EPSILON = 1e-12
# Halvings after which an interval of length 4,000 is below float32's resolution at 1.
_NUM_HALVINGS = 36


class Planar(tfb.Bijector):
    """The planar map `f(z) = z + shift_hat * tanh(weight' z + bias)`.

    `shift_hat = shift + (m(a) - a) * weight / |weight|^2` with `a = weight' shift` and
    `m(a) = -1 + softplus(a)`, so that `weight' shift_hat = m(a) > -1` and the map is
    one to one. `log |det| = log(1 + m(a) * (1 - tanh(.)^2))`, exact also as `m(a)`
    approaches -1.

    There is no closed-form inverse. The one equation
    `x + m(a) * tanh(x) = weight' y + bias` in the scalar `x = weight' z + bias` is
    monotone and bracketed, so it is halved a fixed number of times, for all rows at
    once. Its gradient is that of the implicit function; second derivatives of the
    inverse are not available.

    Args:
        weight: Float32 tensor `[..., Z]`, the direction along which codes are read.
        shift: Float32 tensor `[..., Z]`, the direction in which they move.
        bias: Float32 tensor `[...]`.

    Example:
    >>> planar = Planar(weight=[1.0, 0.0], shift=[0.0, 2.0], bias=0.0)
    >>> planar.forward([[0.5, 0.0]]).numpy().round(4)
    array([[0.3582, 0.9242]], dtype=float32)

    References:
        Rezende and Mohamed 2015, Variational Inference with Normalizing Flows,
        equations 10 to 12 and appendix A.1. `|weight|^2` is at least 1e-12; adding a
        constant to it, as is common, lets maps near the limit fold.
    """

    def __init__(self, weight, shift, bias, name="planar"):
        parameters = dict(locals())
        self.weight = tf.convert_to_tensor(weight, tf.float32)
        self.shift = tf.convert_to_tensor(shift, tf.float32)
        self.bias = tf.convert_to_tensor(bias, tf.float32)
        raw = tf.reduce_sum(self.weight * self.shift, -1)
        square = tf.reduce_sum(self.weight**2, -1)
        divisor = tf.maximum(square, _EPSILON)
        softplus = tf.math.softplus(raw)
        change = (softplus - 1.0 - raw) / divisor
        self._shift_hat = self.shift + change[..., None] * self.weight
        # One plus weight' shift_hat; the share is 1 but for a vanishing weight.
        share = square / divisor
        self._slope = share * softplus + (1.0 - share) * (1.0 + raw)
        super().__init__(
            forward_min_event_ndims=1,
            dtype=tf.float32,
            validate_args=False,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype):
        properties = parameter_properties.ParameterProperties
        return {
            "weight": properties(event_ndims=1),
            "shift": properties(event_ndims=1),
            "bias": properties(event_ndims=0),
        }

    def _forward(self, x):
        return x + self._shift_hat * tf.tanh(self._read(x))[..., None]

    def _inverse(self, y):
        slope = self._slope
        target = self._read(y)
        root = _root(slope, target)
        # The value of the root, with the gradient of the implicit function.
        tanh = tf.tanh(root)
        residual = root + (slope - 1.0) * tanh - target
        residual -= tf.stop_gradient(residual)
        derivative = tf.stop_gradient(slope * (1.0 - tanh**2) + tanh**2)
        root -= residual / tf.maximum(derivative, 1e-6)
        return y - self._shift_hat * tf.tanh(root)[..., None]

    def _forward_log_det_jacobian(self, x):
        square = tf.tanh(self._read(x)) ** 2
        return tf.math.log(self._slope * (1.0 - square) + square)

    def _read(self, x):
        return tf.reduce_sum(self.weight * x, -1) + self.bias


def _root(slope, target):
    """Solves `x + (slope - 1) * tanh(x) = target` for `slope >= 0`.

    Args:
        slope: Float32 tensor, the left side's derivative at 0.
        target: Float32 tensor of a shape that broadcasts with it.

    Returns:
        Float32 tensor of the common shape, without a gradient.
    """
    change = tf.stop_gradient(slope) - 1.0
    target = tf.stop_gradient(target)
    low, high = target - tf.abs(change), target + tf.abs(change)

    def halve(low, high):
        middle = low + 0.5 * (high - low)
        below = middle + change * tf.tanh(middle) < target
        return tf.where(below, middle, low), tf.where(below, high, middle)

    low, high = tf.while_loop(
        lambda low, high: True,
        halve,
        (low, high),
        maximum_iterations=_NUM_HALVINGS,
    )
    return tf.stop_gradient(low + 0.5 * (high - low))


class FlowedNormal(tfd.Distribution):
    """A diagonal normal transformed by bijectors.

    Unlike `tfd.TransformedDistribution` it computes the density of its own samples
    without inverting, and no divergence is registered that fails when asked for.

    Args:
        loc: Float32 tensor `[..., Z]`.
        scale: Positive float32 tensor `[..., Z]`.
        bijectors: List of TFP bijectors over `[..., Z]`, first to last.
    """

    def __init__(self, loc, scale, bijectors, name="FlowedNormal"):
        parameters = dict(locals())
        self.base = tfd.Independent(tfd.Normal(loc, scale), 1)
        self.bijectors = list(bijectors)
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def transform(self, value):
        """Passes values of the base through the bijectors.

        Args:
            value: Float32 tensor `[..., Z]`.

        Returns:
            Tuple of the result, `[..., Z]`, and the sum of the logarithms of the
            determinants, `[...]`.
        """
        log_determinant = tf.zeros(tf.shape(value)[:-1])
        for bijector in self.bijectors:
            log_determinant += bijector.forward_log_det_jacobian(value, 1)
            value = bijector.forward(value)
        return value, log_determinant

    def invert(self, value):
        """Passes values back to the base; results are as of `transform`."""
        log_determinant = 0.0
        for bijector in reversed(self.bijectors):
            value = bijector.inverse(value)
            log_determinant += bijector.forward_log_det_jacobian(value, 1)
        return value, log_determinant

    def _batch_shape(self):
        return self.base.batch_shape

    def _batch_shape_tensor(self, **parameters):
        return self.base.batch_shape_tensor()

    def _event_shape(self):
        return self.base.event_shape

    def _event_shape_tensor(self):
        return self.base.event_shape_tensor()

    def _default_event_space_bijector(self):
        return tfb.Identity()

    def _sample_n(self, n, seed=None):
        return self._sample_and_log_prob([n], seed)[0]

    def _sample_and_log_prob(self, sample_shape, seed):
        of_base = self.base.distribution
        shape = tf.concat([sample_shape, tf.shape(of_base.loc)], 0)
        noise = normal(shape, samplers.sanitize_seed(seed))
        value = of_base.loc + of_base.scale * noise
        log_prob = self.base.log_prob(value)
        value, log_determinant = self.transform(value)
        return value, log_prob - log_determinant

    def _log_prob(self, value):
        value, log_determinant = self.invert(value)
        return self.base.log_prob(value) - log_determinant
